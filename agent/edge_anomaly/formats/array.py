"""Samples at a fixed rate as plain binary numbers: what a data logger writes."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge_anomaly.errors import PayloadError, StateError
from edge_anomaly.files.inputs import ArrayInput, HeaderField
from edge_anomaly.formats.clocks import whole_ns
from edge_anomaly.formats.sample import Block, Item, Quick, Reject
from edge_anomaly.values import Message

__all__ = ["ArrayFormat"]

SECOND = 1e9  # ns
TOPICS = 10_000  # whose next block is expected; beyond it they begin anew
_TYPES = {"float32": "<f4", "float64": "<f8", "int16": "<i2"}
_FIELDS = {"uint32": "<I", "int64": "<q", "uint64": "<Q", "float32": "<f", "float64": "<d"}


class ArrayFormat:
    """Reads what one input of the config describes.

    Where nothing says when a block begins, it goes on where the one before it on its topic
    ended, as long as the arrival does not contradict: arrivals are not as even as samples.
    """

    quick: Quick | None = None

    def __init__(self, spec: ArrayInput) -> None:
        self._spec = spec
        self._type = np.dtype(_TYPES[spec.type])
        self._signals: Sequence[str | None] = spec.channels or (None,)
        self._header = spec.header.bytes if spec.header else 0
        self._topic = spec.pattern
        self._timed = "start" in spec.named or bool(spec.header and spec.header.start)
        self._next: dict[str, int] = {}  # when the block that follows begins, by topic

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        del reject
        payload = message.payload
        if len(payload) <= self._header:
            raise PayloadError("empty", f"{len(payload)} bytes hold no sample")
        frame = self._type.itemsize * len(self._signals)
        if (len(payload) - self._header) % frame:
            raise PayloadError(
                "unparsable", f"{len(payload) - self._header} bytes are no multiple of {frame}"
            )
        found = self._topic.fullmatch(message.topic)
        places: Mapping[str, str] = found.groupdict() if found else {}
        step = self._step(payload, places)
        raw = np.frombuffer(payload, self._type, offset=self._header)
        with np.errstate(over="ignore", invalid="ignore"):
            values = raw.astype(np.float32)
            if self._spec.scale != 1 or self._spec.offset:
                values = (raw * self._spec.scale + self._spec.offset).astype(np.float32)
        values = values.reshape(-1, len(self._signals))
        t_ns = self._start(payload, places)
        if t_ns is None:
            t_ns = self._follow(message.topic, len(values), step, arrived_ns)
        return [Block(None, self._signals, t_ns, step, values)]

    def snapshot(self) -> dict[str, Any]:
        """See `Format.snapshot`."""
        return {"next": dict(self._next)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Format.restore`."""
        try:
            kept = {str(topic): int(t_ns) for topic, t_ns in state["next"].items()}
        except (KeyError, AttributeError, TypeError, ValueError) as exc:
            raise StateError(f"array input {self._spec.topic}: {exc}") from exc
        self._next = kept

    def _step(self, payload: bytes, places: Mapping[str, str]) -> float:
        rate = self._spec.rate
        if rate is None and self._spec.header and self._spec.header.rate:
            rate = float(_field(payload, self._spec.header.rate))
        elif rate is None:
            rate = _written(places.get("rate", ""), "rate")
        if not 0 < rate <= SECOND:
            raise PayloadError("wrong_type", f"rate: {rate:g} samples a second")
        return SECOND / rate

    def _start(self, payload: bytes, places: Mapping[str, str]) -> int | None:
        if not self._timed:
            return None
        if self._spec.header and self._spec.header.start:
            field = self._spec.header.start
            return whole_ns(_field(payload, field), field.unit)
        written = places.get("start", "")
        whole = written.isascii() and written.lstrip("-").isdigit() and len(written) < 20  # noqa: PLR2004 - digits of 2**63
        return whole_ns(int(written) if whole else _written(written, "start"), self._spec.unit)

    def _follow(self, topic: str, count: int, step: float, arrived_ns: int) -> int:
        """When a block begins that does not say so itself."""
        length = round(count * step)
        t_ns = arrived_ns - length + round(step)
        expected = self._next.get(topic)
        if expected is not None and abs(expected - t_ns) <= length // 2:
            t_ns = expected
        if len(self._next) >= TOPICS:
            self._next.clear()
        self._next[topic] = t_ns + length
        return t_ns


def _field(payload: bytes, field: HeaderField) -> int | float:
    found: int | float = struct.unpack_from(_FIELDS[field.type], payload, field.at)[0]
    return found


def _written(number: str, name: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise PayloadError("bad_time", f"{name} in the topic: {number[:40]!r}") from None
