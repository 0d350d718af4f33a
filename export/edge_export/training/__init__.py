"""The one training loop, what it can go on from, and its bar."""
