"""Text and bytes to checked values; each error names file, line and key."""
