"""From recordings to a bundle that is believed."""
