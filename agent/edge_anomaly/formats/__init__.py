"""Payloads to readings, one file a format. A format is chosen in the config, never guessed.

What reads a format is imported when it is asked for, so that a gateway loads and installs
only what it uses.
"""

from importlib import import_module

from edge_anomaly.files.inputs import AnyInput
from edge_anomaly.formats.sample import Block, Format, Gone, Item, Reject, Sample

__all__ = [
    "FORMATS",
    "Block",
    "Format",
    "Gone",
    "Item",
    "Reject",
    "Sample",
    "format_name",
    "format_of",
]

FORMATS = {
    "array": "ArrayFormat",
    "cbor": "CborFormat",
    "influx": "InfluxFormat",
    "json": "JsonFormat",
    "msgpack": "MsgpackFormat",
    "senml": "SenmlFormat",
    "sparkplug": "SparkplugFormat",
    "text": "TextFormat",
}


def format_name(spec: AnyInput) -> str:
    """What the config calls the format of `spec`."""
    return str(type(spec).__struct_config__.tag)


def format_of(spec: AnyInput) -> Format:
    """The reader of an input's payloads.

    Raises:
        ImportError: It needs a library that is not installed.
    """
    name = format_name(spec)
    reader = getattr(import_module(f"edge_anomaly.formats.{name}"), FORMATS[name])
    made: Format = reader(spec)
    return made
