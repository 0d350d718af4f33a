"""Honest figures of detectors, always beside simple rivals."""
