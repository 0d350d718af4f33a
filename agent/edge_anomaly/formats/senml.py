"""SenML packs (RFC 8428) in JSON or CBOR: records that share a name, a time and a value."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import SenmlInput
from edge_anomaly.formats.clocks import LATEST_NS, whole_ns
from edge_anomaly.formats.numbers import boolean, kind, number, text
from edge_anomaly.formats.sample import Item, Reject, Sample, Stateless
from edge_anomaly.values import Message

__all__ = ["SenmlFormat"]

VERSION = 10  # of RFC 8428; a pack of a later one may mean something else
RELATIVE = 1 << 28  # times below it are relative to now (4.5.3)
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9:./_]*")  # 4.5.1
_LABELS = {  # CBOR: table 4
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip


class SenmlFormat(Stateless):
    """Reads what one input of the config describes."""

    def __init__(self, spec: SenmlInput) -> None:
        self._decode = _decoder(spec.encoding)
        pattern = re.escape(spec.naming)
        for place, part in (("device", "(?P<device>.+)"), ("signal", "(?P<signal>[^/:]+)")):
            pattern = pattern.replace(re.escape(f"{{{place}}}"), part)
        self._name = re.compile(pattern)
        self._spec = spec

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        if not message.payload:
            raise PayloadError("empty", "the payload is empty")
        records = self._decode(message.payload)
        if not isinstance(records, list):
            raise PayloadError("wrong_type", f"expected an array of records, got {kind(records)}")
        base: dict[str, Any] = {}
        items: list[Item] = []
        for record in records:
            if not isinstance(record, dict):
                reject("wrong_type", f"expected a record, got {kind(record)}")
                continue
            if not _understood(record):
                # What begins with it can no longer be known, so the rest is left (4.4).
                reject("unparsable", "a record must be understood and is not: a field with a _")
                break
            base |= {key: value for key, value in record.items() if key in _BASE}
            if base.get("bver", VERSION) != VERSION:
                reject("unparsable", f"base version {str(base['bver'])[:20]}, known is {VERSION}")
                break
            try:
                items += self._record(record, base, arrived_ns)
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return items

    def _record(
        self, record: Mapping[str, Any], base: Mapping[str, Any], arrived_ns: int
    ) -> list[Sample]:
        name = _text(base.get("bn", ""), "bn") + _text(record.get("n", ""), "n")
        if "v" in record:
            value = number(record["v"], name) + number(base.get("bv", 0), "bv")
            value = number(value, name)
        elif "vb" in record:
            value = boolean(record["vb"], name, self._spec.booleans)
        elif "vs" in record or "vd" in record:
            if self._spec.strings == "ignore":
                return []
            raise PayloadError("wrong_type", f"{name}: is text; see `strings`")
        else:
            return []  # base fields, or a sum
        if not _NAME.fullmatch(name):
            raise PayloadError("missing", f"{name[:60]!r} is no name of a record")
        found = self._name.fullmatch(name)
        if found is None:
            raise PayloadError("missing", f"{name[:60]!r} is not like {self._spec.naming}")
        places = found.groupdict()
        t_ns = None
        if self._spec.clock == "payload":
            t_ns = _time(base.get("bt", 0), record.get("t", 0), arrived_ns)
        return [Sample(places.get("device"), places.get("signal"), t_ns, value)]


_BASE = frozenset({"bver", "bn", "bt", "bu", "bv", "bs"})


def _understood(record: Mapping[Any, Any]) -> bool:
    return not any(isinstance(key, str) and key.endswith("_") for key in record)


def _text(value: object, name: str) -> str:
    return text(value, name) if value != "" else ""


def _time(base: object, own: object, arrived_ns: int) -> int | None:
    """The sum of both in ns; None where neither says more than now.

    The sum of two doubles of today's seconds would be coarse: each is made whole first.
    """
    t_ns = whole_ns(base, "s") + whole_ns(own, "s")
    if t_ns == 0:
        return None
    if t_ns < RELATIVE * 10**9:
        t_ns += arrived_ns
    if not -LATEST_NS < t_ns < LATEST_NS:
        raise PayloadError("bad_time", "base time and time are no time together")
    return t_ns


def _decoder(encoding: str) -> Callable[[bytes], object]:
    if encoding == "json":
        decode = msgspec.json.Decoder().decode

        def json(payload: bytes) -> object:
            try:
                return decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
                raise PayloadError("unparsable", f"not JSON: {exc}") from exc

        return json
    # Only where it is asked for: the base install does without.
    from edge_anomaly.formats.cbor import decode as cbor  # noqa: PLC0415 - see above

    def labelled(payload: bytes) -> object:
        records = cbor(payload)
        if not isinstance(records, list):
            return records
        return [
            {_LABELS.get(key, key) if type(key) is int else key: v for key, v in record.items()}
            if isinstance(record, dict)
            else record
            for record in records
        ]

    return labelled
