"""Thresholds set anew, and the false alarms to expect of them."""
