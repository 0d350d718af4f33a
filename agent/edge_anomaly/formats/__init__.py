"""Payloads to samples, one file a format. A format is chosen in the config, never guessed."""

from edge_anomaly.formats.json import JsonFormat
from edge_anomaly.formats.sample import Format, Reject, Sample

__all__ = ["Format", "JsonFormat", "Reject", "Sample"]
