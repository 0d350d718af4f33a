"""Objects and arrays, in whatever encoding: records whose members are found by paths."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import PathInput, Quality
from edge_anomaly.formats.clocks import reader
from edge_anomaly.formats.numbers import kind, number, series, text
from edge_anomaly.formats.sample import Block, Item, Reject, Sample, Stateless
from edge_anomaly.values import Message

__all__ = ["RecordFormat"]

Get = Callable[[Any], Any]
SECOND = 1e9  # ns
GOOD, UNCERTAIN, BAD = "good", "uncertain", "bad"


class RecordFormat(Stateless):
    """Reads what one input of the config describes, once it is decoded."""

    def __init__(self, spec: PathInput, decode: Callable[[bytes], object]) -> None:
        """Read payloads that `decode` understands.

        Args:
            spec: Where things are.
            decode: Payload to dicts, lists, texts, numbers, booleans and None; raises
                PayloadError.
        """
        self._decode = decode
        self._value = _path(spec.value)
        self._device = _path(spec.device) if spec.device else None
        self._signal = _path(spec.signal) if spec.signal else None
        self._time: Get | None = None
        if spec.time is not None:
            stamp, ns = _path(spec.time.path), reader(spec.time)
            self._time = lambda record: ns(stamp(record))
        self._quality = _quality(spec.quality) if spec.quality else None
        self._rate = _rate(spec.rate)
        self._wide = not spec.names_signal
        self._reserved = _beside_signals(spec)

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        del arrived_ns
        if not message.payload:
            raise PayloadError("empty", "the payload is empty")
        data = self._decode(message.payload)
        if not isinstance(data, list):
            return self._record(data, reject)
        items: list[Item] = []
        for record in data:
            try:
                items += self._record(record, reject)
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return items

    def _record(self, record: object, reject: Reject) -> list[Item]:
        value = self._value(record)
        device = text(self._device(record), "device") if self._device else None
        t_ns = self._time(record) if self._time else None
        quality = self._quality(record) if self._quality else GOOD
        if quality is BAD:
            raise PayloadError("bad_quality", "the payload says that the reading is bad")
        step = self._rate(record) if self._rate else None
        uncertain = quality is UNCERTAIN

        def item(signal: str | None, one: object, name: str) -> Item:
            if step is None:
                return Sample(device, signal, t_ns, number(one, name), uncertain)
            return Block(device, (signal,), t_ns, step, series(one, name), uncertain)

        if not self._wide:
            signal = text(self._signal(record), "signal") if self._signal else None
            return [item(signal, value, "value")]
        if not isinstance(value, dict):
            raise PayloadError("wrong_type", f"expected an object of signals, got {kind(value)}")
        items = []
        for name, member in value.items():
            if name in self._reserved:
                continue
            try:
                signal = text(name, "name of a signal")
                items.append(item(signal, member, signal))
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return items


def _beside_signals(spec: PathInput) -> set[str]:
    """The members of a wide record's `value` that lead to something else than a signal."""
    top = _keys(spec.value)
    others = [
        spec.device,
        spec.time and spec.time.path,
        spec.quality and spec.quality.path,
        spec.rate if isinstance(spec.rate, str) else None,
    ]
    paths = [_keys(path) for path in others if path]
    return {keys[len(top)] for keys in paths if len(keys) > len(top) and keys[: len(top)] == top}


def _rate(rate: float | str | None) -> Get | None:
    """A reader of the time between samples, ns."""
    if rate is None:
        return None
    if not isinstance(rate, str):
        fixed = SECOND / rate
        return lambda _: fixed
    get = _path(rate)

    def step(record: object) -> float:
        found = number(get(record), "rate")
        if not 0 < found <= SECOND:
            raise PayloadError("wrong_type", f"rate: {found:g} samples a second")
        return SECOND / found

    return step


def _quality(quality: Quality) -> Get:
    """A reader of how good a record is."""
    get = _path(quality.path)
    good, uncertain = ([_key(word) for word in ws] for ws in (quality.good, quality.uncertain))

    def read(record: object) -> str:
        found = _key(get(record))
        return GOOD if found in good else UNCERTAIN if found in uncertain else BAD

    return read


def _key(word: object) -> tuple[bool, object]:
    """As it compares: text whatever its case, `true` is not 1, and the rest is nothing."""
    if isinstance(word, str):
        return False, word.casefold()
    return isinstance(word, bool), word if isinstance(word, int | float) else None


def _keys(path: str) -> list[str]:
    return [key for key in path.split(".") if key]


def _path(path: str) -> Get:
    """A reader of the member at `path`, `a.b.c`; `.` is the record itself."""
    keys = _keys(path)

    def get(record: Any) -> Any:  # noqa: ANN401 - a payload holds anything
        for key in keys:
            if not isinstance(record, dict) or key not in record:
                raise _missing(path, record)
            record = record[key]
        return record

    return get


def _missing(path: str, record: object) -> PayloadError:
    if isinstance(record, dict):
        return PayloadError("missing", f"no member {path!r}")
    found = "an array" if isinstance(record, np.ndarray) else kind(record)
    return PayloadError("wrong_type", f"no member {path!r} in {found}")
