"""The one training loop, and its bar."""
