import random
from typing import Any

import cbor2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import (
    CASES,
    LIFE,
    NOW,
    SECOND,
    SPARKPLUG,
    codes,
    golden,
    mutated,
    plain,
    read,
    reader,
    spec,
)

from edge_anomaly.errors import ConfigError, StateError
from edge_anomaly.files.config import parse
from edge_anomaly.formats import FORMATS, Block, Sample, format_name
from edge_anomaly.schema_command import schema
from edge_anomaly.topics import routes

CODES = {
    "bad_quality",
    "bad_time",
    "crowded",
    "empty",
    "historical",
    "missing",
    "not_finite",
    "unparsable",
    "wrong_type",
}
MACHINE = {"topic": "x/{device}/{signal}"}
DEVICE = {"topic": "x/{device}"}


@pytest.mark.parametrize("name", CASES)
def test_golden_payloads(name: str) -> None:
    file, options, items, rejected = CASES[name]
    found, why = read(golden(file), reader(**options))
    got = plain(found)
    if options["format"] == "influx":  # a line's fields have no order
        assert sorted(got[:4], key=str) + got[4:] == sorted(items[:4], key=str) + items[4:]
    else:
        assert got == items
    assert [code for code, _ in why] == rejected


def test_every_format_has_golden_payloads_and_a_reader() -> None:
    named = {options["format"] for _, options, _, _ in CASES.values()} | {"sparkplug"}
    assert named == set(FORMATS)
    for _, options, _, _ in CASES.values():
        assert format_name(spec(**options)) == options["format"]


@pytest.mark.parametrize("name", sorted({options["format"] for _, options, _, _ in CASES.values()}))
def test_an_empty_payload_is_empty_in_every_format(name: str) -> None:
    how = next(options for _, options, _, _ in CASES.values() if options["format"] == name)
    assert codes(b"", reader(**how)) == ["empty"]


CBOR = {"format": "cbor", **MACHINE, "value": "v"}
MSGPACK = {"format": "msgpack", **MACHINE, "value": "v"}
PACK = {"format": "senml", "topic": "x", "name": "{device}/{signal}"}
LINES = {"format": "influx", "topic": "x", "device": "m"}
FLOATS = {"format": "array", **MACHINE, "rate": 10}
TEXT = {"format": "text", **MACHINE}
SERIES = {"format": "json", **MACHINE, "rate": "hz"}
DEEP = 100_000


BAD: list[tuple[dict[str, Any], bytes, str]] = [
    (CBOR, b"\xff", "unparsable"),
    (CBOR, b"\x81" * DEEP, "unparsable"),
    (CBOR, b"\xa1\x61v" * DEEP, "unparsable"),
    (CBOR, b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "unparsable"),  # 2^63 - 1 members
    (CBOR, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "unparsable"),
    (CBOR, b"\xa1\x61v\xf9\x7e\x00", "not_finite"),  # a half-precision NaN
    (CBOR, b"\xa1\x61v\xf9\x7c\x00", "not_finite"),  # infinity
    (CBOR, b"\xa1\x61v\xfb\x7f\xef" + b"\xff" * 6, "not_finite"),
    (CBOR, cbor2.dumps({"v": 10**60}), "not_finite"),
    (CBOR, cbor2.dumps({"v": b"1"}), "wrong_type"),
    (CBOR, cbor2.dumps({"v": True}), "wrong_type"),
    (CBOR, cbor2.dumps({"v": None}), "wrong_type"),
    (CBOR, cbor2.dumps({"v": cbor2.CBORTag(85, b"123")}), "unparsable"),
    (CBOR, cbor2.dumps({"v": cbor2.CBORTag(85, b"1234")}), "wrong_type"),
    (CBOR, cbor2.dumps({"v": cbor2.CBORTag(4711, 1)}), "wrong_type"),
    (CBOR, cbor2.dumps({b"v": 1}), "missing"),
    (CBOR, cbor2.dumps(1), "wrong_type"),
    (CBOR, b"\xd8\x1c\x81\xd8\x1d\x00", "wrong_type"),  # an array that holds itself
    (MSGPACK, b"\xc1", "unparsable"),
    (MSGPACK, b"\x91" * DEEP, "unparsable"),
    (MSGPACK, b"\xdd\xff\xff\xff\xff", "unparsable"),
    (MSGPACK, b"\xdb\xff\xff\xff\xff", "unparsable"),
    (MSGPACK, msgspec.msgpack.encode({"v": 1}) + b"\x00", "unparsable"),
    (MSGPACK, msgspec.msgpack.encode({"v": float("nan")}), "not_finite"),
    (MSGPACK, msgspec.msgpack.encode({"v": 1e300}), "not_finite"),
    (MSGPACK, msgspec.msgpack.encode({"v": "1"}), "wrong_type"),
    (MSGPACK, msgspec.msgpack.encode({"v": msgspec.msgpack.Ext(5, b"x")}), "wrong_type"),
    (MSGPACK, b"\x81\xa1v\xd7\xff\x00\x00\x00\x00\x00\x00\x00\x00", "wrong_type"),  # a time
    (PACK, b"{}", "wrong_type"),
    (PACK, b"[1]", "wrong_type"),
    (PACK, b'[{"n":"c/f","v":1', "unparsable"),
    (PACK, b'[{"n":"c/f","v":"1"}]', "wrong_type"),
    (PACK, b'[{"n":"c/f","v":true}]', "wrong_type"),
    (PACK, b'[{"n":"c/f","vb":1}]', "wrong_type"),
    (PACK, b'[{"n":"c/f","vs":"x"}]', "wrong_type"),
    (PACK, b'[{"n":"c/f","vd":"eA"}]', "wrong_type"),
    (PACK, b'[{"v":1}]', "missing"),
    (PACK, b'[{"n":"cf","v":1}]', "missing"),
    (PACK, b'[{"n":"/c/f","v":1}]', "missing"),
    (PACK, b'[{"n":"c/\xc3\xa4","v":1}]', "missing"),
    (PACK, b'[{"n":7,"v":1}]', "wrong_type"),
    (PACK, b'[{"bver":11,"n":"c/f","v":1}]', "unparsable"),
    (PACK, b'[{"n":"c/f","v":1,"new_":1}]', "unparsable"),
    (PACK, b'[{"n":"c/f","v":3e38,"bv":3e38}]', "not_finite"),
    (PACK, b'[{"n":"c/f","v":1,"t":"now"}]', "wrong_type"),
    (PACK, b'[{"n":"c/f","v":1,"bt":9e9,"t":9e9}]', "bad_time"),
    (LINES, b"x\xff", "unparsable"),
    (LINES, b"p,m=a f=1\x00", "unparsable"),
    (LINES, b"p,m=a", "unparsable"),
    (LINES, b"p,m=a f=nan", "unparsable"),
    (LINES, b"p,m=a f=1 1.5", "unparsable"),
    (LINES, b'p,m=a f="open', "unparsable"),
    (LINES, b"p f=1", "missing"),
    (LINES, b"p,m=a f=1e39", "not_finite"),
    (LINES, b"p,m=a f=t", "wrong_type"),
    (LINES | {"signal": "{axis}{field}"}, b"p,m=a f=1", "missing"),
    (LINES | {"precision": "s"}, b"p,m=a f=1 1700000000123456789", "bad_time"),
    (FLOATS, b"123", "unparsable"),
    (FLOATS | {"header": {"bytes": 4}}, b"1234", "empty"),
    (TEXT, b"x", "unparsable"),
    (TEXT, b"1 2", "unparsable"),
    (TEXT, b"nan", "unparsable"),
    (TEXT, b"inf", "unparsable"),
    (TEXT, b"1_000", "unparsable"),
    (TEXT, b"1,5", "unparsable"),
    (TEXT, b"0x10", "unparsable"),
    (TEXT, b"\xb2", "unparsable"),
    (TEXT, "٣".encode(), "unparsable"),
    (TEXT, b"9" * 65, "unparsable"),
    (TEXT, b"1e39", "not_finite"),
    (TEXT, b"1e999", "not_finite"),
    (TEXT | {"decimal": ","}, b"1.5", "unparsable"),
    (SERIES, b'{"value": [1, 2]}', "missing"),
    (SERIES, b'{"value": [1, 2], "hz": 0}', "wrong_type"),
    (SERIES, b'{"value": [1, 2], "hz": "10"}', "wrong_type"),
    (SERIES, b'{"value": 1, "hz": 10}', "wrong_type"),
    (SERIES, b'{"value": [1, null], "hz": 10}', "wrong_type"),
    (SERIES, b'{"value": [1, true], "hz": 10}', "wrong_type"),
    (SERIES, b'{"value": [[1], [2]], "hz": 10}', "wrong_type"),
]


@pytest.mark.parametrize(
    ("options", "payload", "code"),
    BAD,
    ids=[f"{n} {bad[0]['format']}" for n, bad in enumerate(BAD)],
)
def test_bad_input_has_a_code(options: dict[str, Any], payload: bytes, code: str) -> None:
    items, rejected = read(payload, reader(**options))
    assert [code for code, _ in rejected] == [code]
    assert items == []


def test_a_pack_is_left_where_it_can_no_longer_be_understood() -> None:
    pack = [{"n": "c/f", "v": 1}, {"n": "c/g", "v": 1, "new_": 2}, {"n": "c/h", "v": 1}]
    items, rejected = read(msgspec.json.encode(pack), reader(**PACK))
    assert [item.signal for item in items if isinstance(item, Sample)] == ["f"]
    assert [code for code, _ in rejected] == ["unparsable"]


def test_a_base_time_keeps_its_fractions() -> None:
    pack = [{"bt": 1700000000, "n": "c/f", "v": 1}, {"n": "c/f", "t": -0.25, "v": 2}]
    items, _ = read(msgspec.json.encode(pack), reader(**PACK))
    assert [item.t_ns for item in items if isinstance(item, Sample)] == [NOW, NOW - SECOND // 4]


def test_of_many_lines_the_good_ones_are_used() -> None:
    text = b'p,m=a f=1\nnonsense\np,m=b f="x\ny",g=2\n\n p,m=c f=3'
    items, rejected = read(text, reader(**LINES))
    assert [item.device for item in items if isinstance(item, Sample)] == ["a", "b", "c"]
    assert [code for code, _ in rejected] == ["unparsable"]


@pytest.mark.parametrize(
    ("payload", "path", "unit", "hint"),
    [
        (b"1700000000000", "t", "s", "ms"),
        (b"1700000000000000", "t", "ms", "us"),
        (b"1700000000000000000", "t", "us", "ns"),
        (b"1700000000000000000", "t", "s", "ns"),
    ],
)
def test_a_time_in_the_wrong_unit_gets_a_hint(
    payload: bytes, path: str, unit: str, hint: str
) -> None:
    how = reader(format="json", **MACHINE, time={"path": path, "unit": unit})
    [(code, what)] = read(b'{"value": 1, "t": ' + payload + b"}", how)[1]
    assert (code, what.rsplit(" ", 1)[1]) == ("bad_time", hint)


def test_blocks_without_a_time_follow_each_other_though_arrivals_are_uneven() -> None:
    how = reader(**FLOATS)
    payload = bytes(40)  # ten samples, a second

    def start(second: float, topic: str = "x/a/b") -> int:
        [block], _ = read(payload, how, topic, NOW + round(second * SECOND))
        assert isinstance(block, Block)
        assert block.t_ns is not None
        return block.t_ns

    first = start(0)
    assert first == NOW - 9 * SECOND // 10
    assert [start(s) - first for s in (1.2, 2.3, 2.8)] == [SECOND, 2 * SECOND, 3 * SECOND]
    assert start(7) - first == 7 * SECOND  # three were lost
    assert start(7.1, "x/a/c") - first == round(7.1 * SECOND)  # a topic of its own
    other = reader(**FLOATS)
    other.restore(how.snapshot())
    how = other
    assert start(8.3) - first == 8 * SECOND


def test_topics_may_tell_start_and_rate_of_an_array() -> None:
    options = {"format": "array", "topic": "x/{device}/{signal}/{rate}/{start}", "unit": "us"}
    topic = "x/a/b/20000/1700000000000001"
    [block], _ = read(bytes(8), reader(**options), topic)
    assert isinstance(block, Block)
    assert (block.t_ns, block.step_ns) == (NOW + 1000, 50_000.0)
    for wrong in ("x/a/b/fast/1", "x/a/b/0/1", "x/a/b/1/now", "x/a/b/nan/1", "x/a/b/1/inf"):
        items, rejected = read(bytes(8), reader(**options), wrong)
        assert items == []
        assert len(rejected) == 1


def test_samples_that_are_not_finite_stay_for_the_intake_to_tell() -> None:
    numbers = np.array([1, np.nan, 1e300, -np.inf], "<f8").tobytes()
    [block], _ = read(numbers, reader(**(FLOATS | {"type": "float64"})))
    assert isinstance(block, Block)
    assert np.isfinite(block.values[:, 0]).tolist() == [True, False, False, False]


def test_a_state_of_another_format_is_refused() -> None:
    for how in (reader(**FLOATS), reader(**SPARKPLUG)):
        for wrong in ({}, {"next": 1}, {"next": {"a": "b"}}, {"nodes": {"a": 1}}):
            with pytest.raises(StateError):
                how.restore(wrong)


QUICK: list[dict[str, Any]] = [
    {},
    {"time": {"path": "t"}},
    {"time": {"path": "t", "unit": "ns"}, "value": "v"},
]
texts = st.text(alphabet='{}[]",: \n0123456789eE+-.tvalueNn', max_size=30).map(str.encode)
objects = st.dictionaries(
    st.sampled_from(["value", "v", "t", "x"]),
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)
    ),
).map(msgspec.json.encode)


@settings(max_examples=300, deadline=None)
@given(st.one_of(texts, objects, st.binary(max_size=20)), st.sampled_from(QUICK))
def test_the_short_way_reads_what_the_long_way_reads_or_nothing(
    payload: bytes, options: dict[str, Any]
) -> None:
    for name in ("json", "text"):
        if name == "text" and options:
            continue
        how = reader(format=name, **MACHINE, **options)
        assert how.quick is not None
        found = how.quick(payload)
        items, rejected = read(payload, how)
        if found is not None:
            assert (items, rejected) == ([Sample(None, None, *found)], [])
        elif name == "text":
            assert rejected


def test_the_short_way_is_taken_by_the_usual_payloads() -> None:
    how = reader(format="json", **MACHINE, time={"path": "t"})
    assert how.quick is not None
    for payload in (b'{"t": 2, "value": 1}', b'{"value":-1.5e3,"unit":"bar","t":2.0}'):
        assert how.quick(payload) is not None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CASES)), st.integers(0, 2**32), st.binary(max_size=64))
def test_any_bytes_are_readings_or_told(name: str, seed: int, other: bytes) -> None:
    file, options, *_ = CASES[name]
    how, rng = reader(**options), random.Random(seed)  # noqa: S311 - no secret
    for payload in [other, *(mutated(golden(file), rng) for _ in range(30))]:
        judge(*read(payload, how))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.binary(max_size=64))
def test_any_bytes_of_a_sparkplug_node_are_readings_or_told(seed: int, other: bytes) -> None:
    rng, how = random.Random(seed), reader(**SPARKPLUG)  # noqa: S311 - no secret
    for topic, file in [*LIFE, *rng.choices(LIFE, k=20)]:
        payload = other if rng.random() < 0.1 else mutated(golden(file), rng)
        judge(*read(payload, how, topic))


def judge(items: list[Any], rejected: list[tuple[str, str]]) -> None:
    assert {code for code, _ in rejected} <= CODES
    assert all(what for _, what in rejected)
    msgspec.json.encode(rejected)  # no lone surrogate that could not be told
    for item in items:
        if isinstance(item, Sample):
            assert abs(item.value) <= np.finfo(np.float32).max
            assert item.t_ns is None or abs(item.t_ns) < 2**63
            msgspec.json.encode(item)
        elif isinstance(item, Block):
            assert item.values.dtype == np.float32
            assert item.values.shape[1] == len(item.signals)
            assert item.step_ns >= 1


BAD_INPUTS = [
    ({"format": "text", "topic": "x/{device}"}, "a bare number names nothing"),
    ({"format": "text", **MACHINE, "value": "v"}, "unknown field `value`"),
    ({"format": "senml", "topic": "x/{device}/{signal}"}, "topic may hold {device}, each"),
    ({"format": "senml", "topic": "x", "name": "{device}"}, "name must hold {device} and"),
    ({"format": "senml", **DEVICE, "name": "{device}:{signal}"}, "name must hold {signal}"),
    ({"format": "senml", "topic": "x", "encoding": "exi"}, "Invalid enum value"),
    ({"format": "sparkplug", "topic": "x/#"}, "topic must be spBv1.0/<group>/#"),
    ({"format": "sparkplug", "topic": "spBv1.0/plant/NDATA/+"}, "topic must be spBv1.0"),
    ({"format": "sparkplug", "topic": "spBv1.0/{device}/#"}, "topic may hold no"),
    (SPARKPLUG | {"device": "{node}"}, "device is made of"),
    (SPARKPLUG | {"rebirth_every": "often"}, "expected a duration"),
    ({"format": "influx", "topic": "x"}, "nothing says the device"),
    ({"format": "influx", **DEVICE, "device": "m"}, "device is given twice"),
    ({"format": "influx", **DEVICE, "signal": "{axis}"}, "signal must hold {field}"),
    ({"format": "array", **DEVICE, "rate": 1}, "either the topic holds {signal}, or"),
    ({"format": "array", **MACHINE, "channels": ["a"], "rate": 1}, "either the topic"),
    ({"format": "array", **DEVICE, "channels": ["a", "a"], "rate": 1}, "one is there twice"),
    ({"format": "array", **MACHINE}, "nothing says the rate"),
    ({"format": "array", **MACHINE, "rate": 0}, "Expected `float` > 0"),
    ({"format": "array", "topic": "x/{device}/{signal}/{rate}", "rate": 1}, "rate is given twice"),
    ({"format": "array", "topic": "x/{signal}", "rate": 1}, "nothing says the device"),
    (
        FLOATS | {"header": {"bytes": 7, "start": {"at": 0, "type": "uint64"}}},
        "a header of 7 bytes",
    ),
    ({"format": "json", **MACHINE, "rate": -1}, "Expected `float` > 0"),
    ({"format": "json", **MACHINE, "time": {"path": "t", "offset": "+01:00"}}, "offset goes with"),
    (
        {"format": "json", **MACHINE, "time": {"path": "t", "unit": "iso", "offset": "CET"}},
        "offset goes with",
    ),
    ({"format": "json", **MACHINE, "quality": {"path": "q"}}, "missing required field `good`"),
]


@pytest.mark.parametrize(("options", "complaint"), BAD_INPUTS, ids=range(len(BAD_INPUTS)))
def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        spec(**options)
    assert complaint in str(caught.value)
    assert "plant.yaml:6: inputs[0]" in str(caught.value)


def test_a_format_whose_library_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cbor2", None)
    monkeypatch.delitem(__import__("sys").modules, "edge_anomaly.formats.cbor", raising=False)
    with pytest.raises(ConfigError, match=r"needs cbor2: pip install 'edge-anomaly-agent\[cbor\]'"):
        routes([spec(**CBOR)])


def test_without_a_format_it_is_json() -> None:
    [only] = parse(
        "site: a\nagent: b\nbroker: {url: 'embedded:'}\ninputs: [{topic: 'x/{device}'}]\n"
        "models: [{bundle: b, devices: [d]}]\n"
    ).inputs
    assert format_name(only) == "json"


def test_the_schema_of_the_config_knows_every_format_and_the_default() -> None:
    defined = schema("config")["$defs"]
    inputs = defined["Config"]["properties"]["inputs"]["items"]
    assert set(inputs["discriminator"]["mapping"]) == set(FORMATS)
    assert defined["JsonInput"]["required"] == ["topic"]
    assert defined["TextInput"]["required"] == ["format", "topic"]
