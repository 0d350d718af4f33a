"""Constants and thresholds, from healthy time alone."""
