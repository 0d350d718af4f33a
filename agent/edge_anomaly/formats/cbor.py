"""CBOR payloads (RFC 8949), read like JSON; typed arrays (RFC 8746) may be samples."""

from decimal import DecimalException

import cbor2
import numpy as np

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import CborInput
from edge_anomaly.formats.records import RecordFormat

__all__ = ["CborFormat", "decode"]

DEPTH = 32  # of arrays and maps within each other; readings need four
# RFC 8746, 2.1: little-endian and big-endian arrays of numbers; their tags.
_ARRAYS = {
    64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 69: "<u2", 70: "<u4", 71: "<u8",
    72: "i1", 73: ">i2", 74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8",
    80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4", 86: "<f8",
}  # fmt: skip


class CborFormat(RecordFormat):
    """Reads what one input of the config describes."""

    def __init__(self, spec: CborInput) -> None:
        super().__init__(spec, decode)


def decode(payload: bytes) -> object:
    """The first CBOR item.

    Raises:
        PayloadError: It is not CBOR, or deeper than readings are.
    """
    try:
        return cbor2.loads(payload, tag_hook=_tag, max_depth=DEPTH)
    except (cbor2.CBORError, ValueError, TypeError, DecimalException, OverflowError) as exc:
        raise PayloadError("unparsable", f"not CBOR: {str(exc)[:200]}") from exc
    except (RecursionError, MemoryError) as exc:
        raise PayloadError("unparsable", "not CBOR that can be held") from exc


def _tag(tag: cbor2.CBORTag, _immutable: bool) -> object:  # noqa: FBT001 - cbor2 calls it so
    """A typed array as numpy has it; any other tag is no number and stays."""
    dtype = _ARRAYS.get(tag.tag)
    if dtype is None or not isinstance(tag.value, bytes):
        return tag
    return np.frombuffer(tag.value, dtype)  # ValueError where the bytes do not fit
