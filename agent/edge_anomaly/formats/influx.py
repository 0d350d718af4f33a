"""InfluxDB line protocol: measurement, tags, fields and a time in every line.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from line_protocol_parser import LineFormatError, parse_line

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import InfluxInput
from edge_anomaly.formats.clocks import whole_ns
from edge_anomaly.formats.numbers import boolean, number
from edge_anomaly.formats.sample import Item, Reject, Sample, Stateless
from edge_anomaly.values import Message

__all__ = ["InfluxFormat"]

# A line ends where no text of a field is open; \ takes the next character along.
_LINE = re.compile(r'(?:[^"\\\n]|\\.|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_PLACE = re.compile(r"\{(.*?)\}")


class InfluxFormat(Stateless):
    """Reads what one input of the config describes."""

    def __init__(self, spec: InfluxInput) -> None:
        self._spec = spec
        self._places = _PLACE.findall(spec.signal)

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        del arrived_ns
        if not message.payload:
            raise PayloadError("empty", "the payload is empty")
        try:
            text = message.payload.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise PayloadError("unparsable", f"not UTF-8: {exc}") from exc
        if "\0" in text:  # the parser is of C and would stop there
            raise PayloadError("unparsable", "a line holds a zero byte")
        items: list[Item] = []
        for line in _lines(text):
            try:
                items += self._line(line, reject)
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return items

    def _line(self, line: str, reject: Reject) -> Iterator[Sample]:
        try:
            parsed = parse_line(line)
        except LineFormatError as exc:
            raise PayloadError("unparsable", f"{exc} {line[:60]!r}") from exc
        if parsed is None:  # a comment
            return
        measurement, tags = parsed["measurement"], parsed["tags"]
        if self._spec.measurement not in {None, measurement}:
            return
        device = None
        if self._spec.device is not None:
            device = tags.get(self._spec.device)
            if not device:
                raise PayloadError("missing", f"no tag {self._spec.device!r} in {line[:60]!r}")
        t_ns = None
        if parsed["time"] is not None and self._spec.clock == "payload":
            t_ns = whole_ns(parsed["time"], self._spec.precision)
        says = tags | {"measurement": measurement}
        for field, value in parsed["fields"].items():
            try:
                found = self._value(field, value)
                if found is not None:
                    signal = self._signal(says | {"field": field})
                    yield Sample(device, signal, t_ns, found)
            except PayloadError as exc:
                reject(exc.code, str(exc))

    def _value(self, field: str, value: object) -> float | None:
        if isinstance(value, bool):
            return boolean(value, field, self._spec.booleans)
        if isinstance(value, str) and self._spec.strings == "ignore":
            return None
        return number(value, field)

    def _signal(self, says: dict[str, Any]) -> str:
        signal = self._spec.signal
        for place in self._places:
            if place not in says:
                raise PayloadError("missing", f"no tag {place!r} for the name of a signal")
            signal = signal.replace(f"{{{place}}}", says[place])
        return signal


def _lines(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _LINE.match(text, at)
        if found is None:  # a line break, or a quote that is never closed
            end = at + 1 if text[at] == "\n" else len(text)
            if text[at] != "\n":
                yield text[at:]
            at = end
            continue
        end = found.end()
        if end < len(text) and text[end] != "\n":
            end = len(text)  # likewise
        line = text[at:end].strip()
        if line:
            yield line
        at = end
