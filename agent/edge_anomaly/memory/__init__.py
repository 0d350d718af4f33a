"""What must be on disk before it is acknowledged or told."""
