"""A payload that is one number, written out."""

import re
from collections.abc import Sequence

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import TextInput
from edge_anomaly.formats.numbers import number
from edge_anomaly.formats.sample import Item, Reject, Sample, Stateless
from edge_anomaly.values import Message

__all__ = ["TextFormat"]

LONGEST = 64  # bytes that a number may take
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class TextFormat(Stateless):
    """Reads what one input of the config describes."""

    def __init__(self, spec: TextInput) -> None:
        self._comma = spec.decimal == ","
        self.quick = self._quick

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        del arrived_ns, reject
        return [Sample(None, None, None, self._read(message.payload))]

    def _quick(self, payload: bytes) -> tuple[int | None, float] | None:
        try:
            return None, self._read(payload)
        except PayloadError:
            return None

    def _read(self, payload: bytes) -> float:
        if not payload:
            raise PayloadError("empty", "the payload is empty")
        written = payload[: LONGEST + 1].decode("ascii", "replace").strip()
        if self._comma:
            written = "_" if "." in written else written.replace(",", ".")
        if len(payload) > LONGEST or not _NUMBER.fullmatch(written):
            raise PayloadError("unparsable", f"not a number: {written!r}")
        return number(float(written), "value")
