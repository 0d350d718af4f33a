"""JSON payloads: an object a reading, an object of many signals, or an array of either."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from edge_anomaly.config import Input, Time
from edge_anomaly.errors import PayloadError
from edge_anomaly.formats.sample import Reject, Sample

__all__ = ["JsonFormat"]

FLOAT32_MAX = float(np.finfo(np.float32).max)
_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_YEAR_NS = 365 * 86_400 * 10**9
_LATEST_NS = 2**63 - 1 - _YEAR_NS  # room for arithmetic on times

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "text",
    type(None): "null",
    bool: "true or false",
}

_Get = Callable[[Any], Any]


class JsonFormat:
    """Reads what one input of the config describes."""

    def __init__(self, spec: Input) -> None:
        self._decode = msgspec.json.Decoder().decode
        self._value = _path(spec.value)
        self._device = _path(spec.device) if spec.device else None
        self._signal = _path(spec.signal) if spec.signal else None
        self._time = _clock(spec.time) if spec.time else None
        self._wide = not spec.names_signal
        self._reserved = _beside_signals(spec)

    def read(self, payload: bytes, reject: Reject) -> list[Sample]:
        """See `Format.read`."""
        if not payload:
            raise PayloadError("empty", "the payload is empty")
        try:
            data = self._decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise PayloadError("unparsable", f"not JSON: {exc}") from exc
        if not isinstance(data, list):
            return self._record(data, reject)
        samples: list[Sample] = []
        for record in data:
            try:
                samples += self._record(record, reject)
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return samples

    def _record(self, record: object, reject: Reject) -> list[Sample]:
        value = self._value(record)
        device = _text(self._device(record), "device") if self._device else None
        t_ns = self._time(record) if self._time else None
        if not self._wide:
            signal = _text(self._signal(record), "signal") if self._signal else None
            return [Sample(device, signal, t_ns, _number(value, "value"))]
        if not isinstance(value, dict):
            raise PayloadError("wrong_type", f"expected an object of signals, got {_kind(value)}")
        samples = []
        for name, member in value.items():
            if name in self._reserved:
                continue
            try:
                samples.append(Sample(device, name, t_ns, _number(member, name)))
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return samples


def _beside_signals(spec: Input) -> set[str]:
    """The members of a wide record's `value` that lead to its device or time."""
    top = _keys(spec.value)
    others = [_keys(path) for path in (spec.device, spec.time and spec.time.path) if path]
    return {keys[len(top)] for keys in others if len(keys) > len(top) and keys[: len(top)] == top}


def _keys(path: str) -> list[str]:
    return [key for key in path.split(".") if key]


def _path(path: str) -> _Get:
    """A reader of the member at `path`, `a.b.c`; `.` is the record itself."""
    keys = _keys(path)
    if len(keys) == 1:  # the common case, without a loop
        [only] = keys

        def get_one(record: Any) -> Any:  # noqa: ANN401 - JSON is any of six types
            try:
                return record[only]
            except (KeyError, TypeError, IndexError):
                raise _missing(path, record) from None

        return get_one

    def get(record: Any) -> Any:  # noqa: ANN401 - JSON is any of six types
        for key in keys:
            if not isinstance(record, dict) or key not in record:
                raise _missing(path, record)
            record = record[key]
        return record

    return get


def _missing(path: str, record: object) -> PayloadError:
    if isinstance(record, dict):
        return PayloadError("missing", f"no member {path!r}")
    return PayloadError("wrong_type", f"no member {path!r} in {_kind(record)}")


def _clock(time: Time) -> _Get:
    """A reader of the record's time, in ns."""
    get, scale = _path(time.path), _UNIT_NS.get(time.unit)

    def read(record: object) -> int:
        stamp = get(record)
        if scale is None:
            t_ns = _iso_ns(stamp)
        elif isinstance(stamp, int) and not isinstance(stamp, bool):
            t_ns = stamp * scale
        else:
            # A double of seconds is some 200 ns coarse today. To the microsecond it is what
            # was written, so that 0.3 s does not fall into the slot before 0.3 s.
            number = _number(stamp, "time")
            whole = int(number)
            step = min(scale, 1000)
            t_ns = whole * scale + round((number - whole) * scale / step) * step
        if not -_LATEST_NS < t_ns < _LATEST_NS:
            raise PayloadError("bad_time", f"{stamp!r} is no time in {time.unit}")
        return t_ns

    return read


def _iso_ns(stamp: object) -> int:
    try:
        when = msgspec.convert(stamp, datetime)
    except msgspec.ValidationError as exc:
        raise PayloadError("bad_time", f"not an ISO 8601 time: {exc}") from exc
    if when.tzinfo is None:
        raise PayloadError("bad_time", f"{stamp!r} has no offset; write Z or +hh:mm behind it")
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError("wrong_type", f"{name}: expected a number, got {_kind(value)}")
    if not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        raise PayloadError("not_finite", f"{name}: {value!r:.40} exceeds single precision")
    return float(value)


def _text(value: object, name: str) -> str:
    if isinstance(value, str) and value:
        return value
    raise PayloadError("wrong_type", f"{name}: expected text, got {_kind(value)}")


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a number")
