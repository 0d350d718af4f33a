"""Sparkplug B (3.0): births give names to aliases, data follows in sequence, deaths end it.

| message        | what it does here                                                        |
|----------------|--------------------------------------------------------------------------|
| NBIRTH         | the node begins: its aliases, its bdSeq, sequence 0; devices are unborn   |
| DBIRTH         | a device begins: its aliases                                              |
| NDATA, DDATA   | readings, by name or alias; not of a birth: the node is asked for one     |
| DDEATH         | what the device said holds no longer                                      |
| NDEATH         | that of the node and all its devices; of another bdSeq: of a life before  |
| STATE, *CMD    | nothing: they are of hosts                                                |

A number that is missing in the sequence (0 to 255) is waited for, since brokers in a cluster
reorder; then the node is asked for its birth, at a bounded rate (6.4.25, 5.19).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from edge_anomaly.errors import PayloadError, StateError
from edge_anomaly.files.inputs import SparkplugInput
from edge_anomaly.formats.clocks import whole_ns
from edge_anomaly.formats.numbers import number
from edge_anomaly.formats.sample import Block, Gone, Item, Quick, Reject, Sample
from edge_anomaly.formats.sparkplug_payload import DecodeError, Payload
from edge_anomaly.values import Message, Publish

__all__ = ["SparkplugFormat"]

NODES = 10_000  # that are known at once; further ones are refused
ALIASES = 100_000  # of one node
AROUND = 256  # sequence numbers
REBIRTH = "Node Control/Rebirth"
_CONTROL = ("bdSeq", "Node Control/", "Device Control/")
_OF_NODES = frozenset({"NBIRTH", "NDATA", "NDEATH"})
_OF_DEVICES = frozenset({"DBIRTH", "DDATA", "DDEATH"})
SECOND = 1e9  # ns
GOOD, STALE, BAD = 192, 500, 0  # values of the property `Quality` (6.4.22)

# Data types (6.4.16): how the bits of int_value or long_value are to be read.
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_FLOAT, _DOUBLE, _BOOLEAN = 9, 10, 11
_PLAIN = frozenset({5, 6, 7, 8, _FLOAT, _DOUBLE, _BOOLEAN})
_ARRAYS = {
    22: "<i1", 23: "<i2", 24: "<i4", 25: "<i8", 26: "<u1", 27: "<u2", 28: "<u4", 29: "<u8",
    30: "<f4", 31: "<f8",
}  # fmt: skip
# Where the value is, and what it is where neither data nor birth say so.
_VALUES = {
    "int_value": 3, "long_value": 4, "float_value": _FLOAT, "double_value": _DOUBLE,
    "boolean_value": _BOOLEAN,
}  # fmt: skip


@dataclass
class _Node:
    """What is known of an edge node in this life of it."""

    born: bool = False
    birth: int | None = None  # its bdSeq
    seq: int | None = None  # the last one
    missing: dict[int, int] = field(default_factory=dict)  # sequence number: since when, ns
    lacking: bool = False  # it spoke of what is of no birth
    asked_ns: int | None = None  # for a birth
    # Alias: name and data type; of the node and all its devices.
    aliases: dict[int, tuple[str, int]] = field(default_factory=dict)
    # Device ("" is the node itself): name and data type of each metric.
    metrics: dict[str, dict[str, int]] = field(default_factory=dict)

    def begin(self, seq: int | None, birth: int | None) -> None:
        """A new life: of the one before, only when it was asked for is remembered."""
        self.__init__(born=True, birth=birth, seq=seq, asked_ns=self.asked_ns)  # type: ignore[misc] # every field anew

    def follow(self, seq: int | None, arrived_ns: int) -> None:
        """Note which sequence numbers are missing."""
        if seq is None or seq in self.missing:
            self.missing.pop(-1 if seq is None else seq, None)
            return
        if self.seq is not None:
            ahead = (seq - self.seq) % AROUND
            if ahead == 0 or ahead > AROUND // 2:
                return  # again, or from long ago: the grid sees to that
            for skipped in range(1, ahead):
                self.missing[(self.seq + skipped) % AROUND] = arrived_ns
        self.seq = seq


class _Where(NamedTuple):
    """What the topic says."""

    group: str
    kind: str
    node: str
    device: str


class SparkplugFormat:
    """Reads what one input of the config describes; remembers its nodes."""

    quick: Quick | None = None

    def __init__(self, spec: SparkplugInput) -> None:
        self._spec = spec
        self._nodes: dict[str, _Node] = {}

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """See `Format.read`."""
        where = _where(message.topic)
        if where is None:
            return []
        payload = _decode(message.payload)
        key = f"{where.group}/{where.node}"
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= NODES:
                raise PayloadError("crowded", f"more than {NODES} nodes")
            node = self._nodes[key] = _Node()
        if where.kind == "NDEATH":
            return list(self._node_ends(node, where, payload))
        seq = payload.seq % AROUND if payload.HasField("seq") else None
        if where.kind == "NBIRTH":
            node.begin(seq, _birth_of(payload))
        else:
            node.follow(seq, arrived_ns)
        if where.kind == "DDEATH":
            items: list[Item] = [self._gone(node, where)]
        else:
            items = self._metrics(node, where, payload, reject)
        if self._wanted(node, arrived_ns):
            items.append(_rebirth(where, arrived_ns))
            node.asked_ns, node.lacking = arrived_ns, False
            node.missing.clear()
        return items

    def snapshot(self) -> dict[str, Any]:
        """See `Format.snapshot`."""
        return {"nodes": {key: asdict(node) for key, node in self._nodes.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Format.restore`."""
        try:
            self._nodes = msgspec.convert(state["nodes"], dict[str, _Node])
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"sparkplug input {self._spec.topic}: {exc}") from exc

    def _wanted(self, node: _Node, arrived_ns: int) -> bool:
        """Whether `node` is to be asked for its birth now."""
        overdue = any(arrived_ns - since >= self._spec.reorder for since in node.missing.values())
        if not self._spec.rebirth or (node.born and not node.lacking and not overdue):
            return False
        asked = node.asked_ns
        return asked is None or not 0 <= arrived_ns - asked < self._spec.rebirth_every

    def _node_ends(self, node: _Node, where: _Where, payload: Any) -> Iterator[Item]:  # noqa: ANN401 - see _decode
        """Everything of the node holds no longer, if it is this life of it that ended."""
        birth = _birth_of(payload)
        if node.birth is not None and birth is not None and birth != node.birth:
            return  # the will of a connection before this one (5.4)
        for device in list(node.metrics):
            yield self._gone(node, where._replace(device=device))
        node.begin(None, None)
        node.born = False

    def _gone(self, node: _Node, where: _Where) -> Gone:
        return Gone(self._device(where), list(node.metrics.pop(where.device, {})))

    def _device(self, where: _Where) -> str:
        if not where.device:
            return where.node
        name = self._spec.device
        for place, said in (("group", 0), ("node", 2), ("device", 3)):
            name = name.replace(f"{{{place}}}", where[said])
        return name

    def _metrics(self, node: _Node, where: _Where, payload: Any, reject: Reject) -> list[Item]:  # noqa: ANN401 - see _decode
        births = where.kind in {"NBIRTH", "DBIRTH"}
        if births:
            if len(node.metrics) >= NODES:
                raise PayloadError("crowded", f"more than {NODES} devices of a node")
            node.metrics[where.device] = {}
        elif where.device not in node.metrics:
            node.lacking = True
        device, items = self._device(where), list[Item]()
        for metric in payload.metrics:
            try:
                name, kind = _named(node, where.device, metric, births=births)
                if name.startswith(_CONTROL):
                    continue
                items += self._item(device, name, kind, metric, payload)
            except UnicodeDecodeError as exc:
                reject("unparsable", f"the name of a metric is not UTF-8: {exc}")
            except PayloadError as exc:
                reject(exc.code, str(exc))
        return items

    def _item(self, device: str, name: str, kind: int, metric: Any, payload: Any) -> Iterator[Item]:  # noqa: ANN401 - see _decode
        if metric.is_historical:
            raise PayloadError("historical", f"{name}: stored data do not touch what is live")
        quality = _quality(metric)
        if metric.is_null or quality in {BAD, STALE}:
            raise PayloadError("bad_quality", f"{name}: the device says that it is bad or stale")
        t_ns = None
        if self._spec.clock == "payload":
            stamped = metric if metric.HasField("timestamp") else payload
            t_ns = whole_ns(stamped.timestamp, "ms") if stamped.HasField("timestamp") else None
        if kind in _ARRAYS and metric.HasField("bytes_value") and self._spec.rate:
            try:
                values = np.frombuffer(metric.bytes_value, _ARRAYS[kind]).astype(np.float32)
            except ValueError as exc:
                raise PayloadError("unparsable", f"{name}: {exc}") from exc
            step = SECOND / self._spec.rate
            yield Block(device, (name,), t_ns, step, values.reshape(-1, 1), quality != GOOD)
            return
        value = _number(metric, kind)
        if value is not None:
            yield Sample(device, name, t_ns, number(value, name), quality != GOOD)


def _where(topic: str) -> _Where | None:
    """What a topic says; None where it is none of births, data and deaths."""
    levels = topic.split("/")
    if len(levels) not in {4, 5} or levels[0] != "spBv1.0" or levels[1] == "STATE":
        return None
    _, group, kind, node, *device = levels
    if kind not in (_OF_DEVICES if device else _OF_NODES) or not node:
        return None
    return _Where(group, kind, node, device[0] if device else "")


def _decode(payload: bytes) -> Any:  # noqa: ANN401 - protobuf makes its classes at run time
    try:
        return Payload.FromString(payload)
    except DecodeError as exc:
        raise PayloadError("unparsable", f"not a Sparkplug payload: {exc}") from exc


def _birth_of(payload: Any) -> int | None:  # noqa: ANN401 - see _decode
    for metric in payload.metrics:
        if metric.name == b"bdSeq":
            return int(metric.long_value or metric.int_value)
    return None


def _named(node: _Node, device: str, metric: Any, *, births: bool) -> tuple[str, int]:  # noqa: ANN401 - see _decode
    """Name and data type of a metric; a birth makes them known."""
    if not births and metric.HasField("alias") and not metric.name:
        if metric.alias not in node.aliases:
            node.lacking = True
            raise PayloadError("missing", f"alias {metric.alias} is of no birth that we know")
        return node.aliases[metric.alias]
    name = metric.name.decode("utf-8")
    if not name:
        raise PayloadError("missing", "a metric has neither name nor alias")
    known = node.metrics.get(device, {})
    kind = metric.datatype or known.get(name, 0)
    if births:
        if len(node.aliases) >= ALIASES or len(known) >= ALIASES:
            raise PayloadError("crowded", f"more than {ALIASES} metrics of a node")
        known[name] = kind
        if metric.HasField("alias"):
            node.aliases[metric.alias] = (name, kind)
    return name, kind


def _quality(metric: Any) -> int:  # noqa: ANN401 - see _decode
    found = metric.properties
    for key, value in zip(found.keys, found.values, strict=False):
        if key == b"Quality" and not value.is_null:
            return int(value.long_value or value.int_value)
    return GOOD


def _number(metric: Any, kind: int) -> float | None:  # noqa: ANN401 - see _decode
    """The value of a metric; None where it is text, a time, or something larger."""
    for of, default in _VALUES.items():
        if metric.HasField(of):
            value, kind = getattr(metric, of), kind or default
            break
    else:
        return None
    if kind in _SIGNED:
        bits = _SIGNED[kind]
        value = int(value) & (1 << bits) - 1
        return value - (1 << bits) if value >> bits - 1 else value
    return float(value) if kind in _PLAIN else None


def _rebirth(where: _Where, now_ns: int) -> Publish:
    """The request for a birth (6.4.25): QoS 0, not retained."""
    now_ms = now_ns // 1_000_000
    metric = {
        "name": REBIRTH.encode(),
        "timestamp": now_ms,
        "datatype": _BOOLEAN,
        "boolean_value": True,
    }
    body = Payload(timestamp=now_ms, metrics=[metric])
    return Publish(f"spBv1.0/{where.group}/NCMD/{where.node}", body.SerializeToString(), qos=0)
