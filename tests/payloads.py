"""Golden payloads of every format: files of tests/agent/golden, with what they say.

A golden file is `<format>-<what>.<yaml|bin|...>`; the table here names its input and its
readings. The fuzz tests mutate them.
"""

import random
from pathlib import Path
from typing import Any

import msgspec

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.config import parse
from edge_anomaly.files.inputs import AnyInput
from edge_anomaly.formats import Block, Format, Item, Sample, format_of
from edge_anomaly.values import Message

__all__ = [
    "CASES",
    "GOLDEN",
    "LIFE",
    "NOW",
    "SECOND",
    "SPARKPLUG",
    "codes",
    "golden",
    "mutated",
    "plain",
    "read",
    "reader",
    "spec",
]

GOLDEN = Path(__file__).parent / "agent" / "golden"
SECOND = 10**9
NOW = 1_700_000_000 * SECOND
_PLANT = """\
site: north
agent: gw
broker: {url: "embedded:"}
models: [{bundle: small, devices: ["c*"]}]
inputs:
  - """


def spec(**options: Any) -> AnyInput:
    """An input as the config would give it."""
    return parse(_PLANT + msgspec.json.encode(options).decode()).inputs[0]


def reader(**options: Any) -> Format:
    return format_of(spec(**options))


def read(
    payload: bytes, how: Format, topic: str = "x", arrived_ns: int = NOW
) -> tuple[list[Item], list[tuple[str, str]]]:
    """Items, and what was rejected on the way; PayloadError is the one reject of the whole."""
    rejected: list[tuple[str, str]] = []
    try:
        items = how.read(Message(topic, payload), arrived_ns, lambda *why: rejected.append(why))
    except PayloadError as exc:
        return [], [*rejected, (exc.code, str(exc))]
    return list(items), rejected


def codes(payload: bytes, how: Format, topic: str = "x") -> list[str]:
    return [code for code, _ in read(payload, how, topic)[1]]


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def mutated(payload: bytes, rng: random.Random) -> bytes:
    """`payload` with a few bytes changed, lost, doubled or put in."""
    data = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at:at] = rng.randbytes(rng.randint(1, 4))
            case 2:
                del data[at : at + rng.randint(1, 8)]
            case 3:
                data[at:at] = data[at : at + 16]
            case _:
                data[at : at + 1] = bytes([rng.randrange(256)])
    return bytes(data)


def plain(items: list[Item]) -> list[Any]:
    """Items with blocks' values as lists."""
    return [
        item._replace(values=item.values.tolist()) if isinstance(item, Block) else item
        for item in items
    ]


def _samples(*block: Any) -> Any:
    """A block, comparable."""
    return Block(*block)


MACHINE = {"topic": "x/{device}/{signal}"}
DEVICE = {"topic": "x/{device}"}
TIMED = {"time": {"path": "t", "unit": "ms"}}
# Name: the file, the input, and what is read: items, then codes of what is not.
CASES: dict[str, tuple[str, dict[str, Any], list[Any], list[str]]] = {
    "json-samples": (
        "json-samples.json",
        {"format": "json", **DEVICE, "time": {"path": "t"}, "rate": "hz"},
        [
            _samples(None, ("flow",), NOW + SECOND // 2, 1e6, [[1.0], [2.5], [-3.0]]),
            _samples(None, ("temp",), NOW + SECOND // 2, 1e6, [[4.0], [5.0], [6.0]]),
        ],
        [],
    ),
    "json-quality": (
        "json-quality.json",
        {
            "format": "json",
            **MACHINE,
            "time": {"path": "t", "unit": "iso", "offset": "+01:00"},
            "quality": {"path": "q", "good": ["good"], "uncertain": ["uncertain"]},
        },
        [Sample(None, None, NOW, 1.0), Sample(None, None, NOW + SECOND, 2.0, uncertain=True)],
        ["bad_quality"],
    ),
    "text-number": (
        "text-number.txt",
        {"format": "text", **MACHINE},
        [Sample(None, None, None, -2.15)],
        [],
    ),
    "text-comma": (
        "text-comma.txt",
        {"format": "text", **MACHINE, "decimal": ","},
        [Sample(None, None, None, 1013.25)],
        [],
    ),
    "senml-json": (
        "senml-pack.json",
        {"format": "senml", "topic": "x", "name": "urn:dev:{device}:{signal}", "strings": "ignore"},
        [
            Sample("c-1", "temp", NOW, 21.5),
            Sample("c-1", "flow", NOW - 5 * SECOND, 10.25),
            Sample("c-2", "temp", NOW - 60 * SECOND, 11.0),
        ],
        ["wrong_type"],
    ),
    "senml-booleans": (
        "senml-pack.json",
        {
            "format": "senml",
            "topic": "x",
            "name": "urn:dev:{device}:{signal}",
            "booleans": "number",
            "clock": "arrival",
        },
        [
            Sample("c-1", "temp", None, 21.5),
            Sample("c-1", "flow", None, 10.25),
            Sample("c-1", "open", None, 1.0),
            Sample("c-2", "temp", None, 11.0),
        ],
        ["wrong_type"],
    ),
    "senml-cbor": (
        "senml-pack.bin",
        {"format": "senml", **DEVICE, "encoding": "cbor", "name": "urn:dev:c-1:{signal}"},
        [Sample(None, "flow", NOW, 7.5), Sample(None, "temp", NOW + SECOND, -0.5)],
        [],
    ),
    "cbor-reading": (
        "cbor-reading.bin",
        {"format": "cbor", **MACHINE, **TIMED},
        [Sample(None, None, NOW, 21.5)],
        [],
    ),
    "cbor-wide": (
        "cbor-wide.bin",
        {"format": "cbor", "topic": "x", "device": "id", "value": "v", **TIMED},
        [Sample("c-1", "flow", NOW, 7.0), Sample("c-1", "temp", NOW, -0.5)],
        [],
    ),
    "cbor-samples": (
        "cbor-samples.bin",
        {"format": "cbor", **MACHINE, **TIMED, "rate": "hz"},
        [_samples(None, (None,), NOW, 50_000.0, [[1.5], [-2.0]])],
        [],
    ),
    "msgpack-reading": (
        "msgpack-reading.bin",
        {"format": "msgpack", **MACHINE, **TIMED},
        [Sample(None, None, NOW, 21.5)],
        [],
    ),
    "msgpack-wide": (
        "msgpack-wide.bin",
        {"format": "msgpack", "topic": "x", "device": "id", "value": "v", **TIMED},
        [Sample("c-1", "flow", NOW, 7.0), Sample("c-1", "temp", NOW, -0.5)],
        [],
    ),
    "influx-lines": (
        "influx-lines.txt",
        {
            "format": "influx",
            "topic": "x",
            "device": "machine",
            "signal": "{axis}_{field}",
            "booleans": "number",
        },
        [
            Sample("c-1", "x_flow", NOW, 7.5),
            Sample("c-1", "x_n", NOW, 3.0),
            Sample("c-1", "x_on", NOW, 1.0),
            Sample("c-1", "x_u", NOW, 4.0),
            Sample("c,2", "y_flow", NOW + 1, -1.0),
            Sample("c-1", "x_temp", None, 1.0),
        ],
        [],
    ),
    "influx-strict": (
        "influx-lines.txt",
        {
            "format": "influx",
            **DEVICE,
            "measurement": "plant",
            "strings": "refuse",
            "clock": "arrival",
        },
        [
            Sample(None, "flow", None, 7.5),
            Sample(None, "n", None, 3.0),
            Sample(None, "u", None, 4.0),
            Sample(None, "flow", None, -1.0),
            Sample(None, "temp", None, 1.0),
        ],
        ["wrong_type", "wrong_type"],
    ),
    "influx-ms": (
        "influx-ms.txt",
        {"format": "influx", "topic": "x", "device": "machine", "precision": "ms"},
        [Sample("c-1", "flow", NOW + 123_000_000, 7.5)],
        [],
    ),
    "array-float32": (
        "array-float32.bin",
        {"format": "array", **DEVICE, "channels": ["flow", "temp"], "rate": 1000},
        [
            _samples(
                None,
                ["flow", "temp"],
                NOW - 2_000_000,
                1e6,
                [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]],
            )
        ],
        [],
    ),
    "array-float64": (
        "array-float64.bin",
        {"format": "array", **MACHINE, "type": "float64", "rate": 2, "scale": 10, "offset": 1},
        [_samples(None, (None,), NOW - SECOND, 5e8, [[11.0], [21.0], [31.0]])],
        [],
    ),
    "array-int16": (
        "array-int16.bin",
        {
            "format": "array",
            **MACHINE,
            "type": "int16",
            "scale": 0.5,
            "header": {
                "bytes": 16,
                "start": {"at": 0, "type": "uint64"},
                "rate": {"at": 8, "type": "float32"},
            },
        },
        [_samples(None, (None,), NOW, 50_000.0, [[-16384.0], [0.0], [16383.5]])],
        [],
    ),
}
SPARKPLUG = {"format": "sparkplug", "topic": "spBv1.0/plant/#"}
LIFE = (  # the golden messages of a Sparkplug node, in their order
    ("spBv1.0/plant/NBIRTH/n", "sparkplug-nbirth.bin"),
    ("spBv1.0/plant/DBIRTH/n/d", "sparkplug-dbirth.bin"),
    ("spBv1.0/plant/NDATA/n", "sparkplug-ndata.bin"),
    ("spBv1.0/plant/NDATA/n", "sparkplug-array.bin"),
    ("spBv1.0/plant/NDEATH/n", "sparkplug-ndeath.bin"),
)
