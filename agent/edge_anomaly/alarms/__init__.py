"""Scores to alarms: verdicts, the life of an alarm, its reasons, and what is told before it."""
