from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import JsonInput
from edge_anomaly.formats import Sample
from edge_anomaly.formats.json import JsonFormat
from edge_anomaly.values import Message

FLOAT32_MAX = 3.4028234663852886e38
CODES = {"bad_time", "empty", "missing", "not_finite", "unparsable", "wrong_type"}


def spec(**options: Any) -> JsonInput:
    """An input of the config; its topic names whatever no path does."""
    paths = "value" in options and options["value"] == "." and "signal" not in options
    topic = "x/{device}" if "device" not in options else "x"
    if not (paths or "signal" in options or options.pop("wide", False)):
        topic += "/{signal}"
    return msgspec.convert({"format": "json", "topic": topic, **options}, JsonInput)


NARROW = spec()
TIMED = spec(time={"path": "t"})
WIDE = spec(value=".", device="id", time={"path": "t"})
FULL = spec(value="v", device="dev.id", signal="name", time={"path": "dev.t", "unit": "ms"})


def read(payload: bytes, how: JsonInput = NARROW) -> tuple[list[Sample], list[tuple[str, str]]]:
    """Samples, and what was rejected on the way."""
    rejected: list[tuple[str, str]] = []
    message = Message("x", payload)
    items = JsonFormat(how).read(message, 0, lambda *why: rejected.append(why))
    return [item for item in items if isinstance(item, Sample)], rejected


def codes(payload: bytes, how: JsonInput = NARROW) -> list[str]:
    """Why nothing, or not all, of `payload` could be used."""
    try:
        return [code for code, _ in read(payload, how)[1]]
    except PayloadError as exc:
        return [exc.code]


@pytest.mark.parametrize(
    ("how", "payload", "samples"),
    [
        (NARROW, b'{"value": 1.5}', [(None, None, None, 1.5)]),
        (NARROW, b' {"value": -3, "unit": "bar"} ', [(None, None, None, -3.0)]),
        (spec(value="."), b"21.5", None),
        (spec(value="d.v.x"), b'{"d": {"v": {"x": 7}}}', [(None, None, None, 7.0)]),
        (TIMED, b'{"t": 2, "value": 1}', [(None, None, 2 * 10**9, 1.0)]),
        (
            FULL,
            b'{"dev": {"id": "c/1", "t": 5}, "name": "flow", "v": 0.25}',
            [("c/1", "flow", 5 * 10**6, 0.25)],
        ),
        (
            WIDE,
            b'{"id": "c-1", "t": 1, "flow": 2, "temp": 3.5}',
            [("c-1", "flow", 10**9, 2.0), ("c-1", "temp", 10**9, 3.5)],
        ),
        (
            TIMED,
            b'[{"t": 1, "value": 1}, {"t": 2, "value": 2}]',
            [(None, None, 10**9, 1.0), (None, None, 2 * 10**9, 2.0)],
        ),
        (
            WIDE,
            b'[{"id": "a", "t": 1, "x": 1}, {"id": "b", "t": 1, "x": 2}]',
            [("a", "x", 10**9, 1.0), ("b", "x", 10**9, 2.0)],
        ),
        (NARROW, b"[]", []),
        (WIDE, b'{"id": "a", "t": 1}', []),
    ],
    ids=range(11),
)
def test_golden_payloads(
    how: JsonInput, payload: bytes, samples: list[tuple[Any, ...]] | None
) -> None:
    if samples is None:  # the whole payload is no object of signals
        assert codes(payload, how) == ["wrong_type"]
        return
    assert read(payload, how) == ([Sample(*one) for one in samples], [])


def test_a_bare_number_is_a_payload() -> None:
    how = JsonInput(topic="x/{device}/{signal}", value=".")
    assert read(b"21.5", how) == ([Sample(None, None, None, 21.5)], [])


@pytest.mark.parametrize(
    ("how", "payload", "code"),
    [
        (NARROW, b"", "empty"),
        (NARROW, b"{", "unparsable"),
        (NARROW, b"hello", "unparsable"),
        (NARROW, b'{"value": 1} x', "unparsable"),
        (NARROW, b'{"value": NaN}', "unparsable"),
        (NARROW, b'{"value": Infinity}', "unparsable"),
        (NARROW, b'{"value": 1e999}', "unparsable"),
        (NARROW, b'{"value": ' + b"9" * 5000 + b"}", "unparsable"),
        (NARROW, b'{"value": 1e39}', "not_finite"),
        (NARROW, b'{"value": -1e39}', "not_finite"),
        (NARROW, b'{"value": 1' + b"0" * 100 + b"}", "not_finite"),
        (NARROW, b"\x00\x01\xfe\xff", "unparsable"),
        (NARROW, b'{"value": "\xff"}', "unparsable"),
        (NARROW, "\ufeff{}".encode(), "unparsable"),
        (NARROW, '{"value": 1}'.encode("utf-16"), "unparsable"),
        (NARROW, b"[" * 100_000, "unparsable"),
        (NARROW, b'{"a":' * 100_000, "unparsable"),
        (NARROW, b"[" * 100_000 + b"]" * 100_000, "unparsable"),
        (NARROW, b"{}", "missing"),
        (NARROW, b"null", "wrong_type"),
        (NARROW, b"3", "wrong_type"),
        (NARROW, b'"value"', "wrong_type"),
        (NARROW, b'{"value": "1"}', "wrong_type"),
        (NARROW, b'{"value": true}', "wrong_type"),
        (NARROW, b'{"value": null}', "wrong_type"),
        (NARROW, b'{"value": [1]}', "wrong_type"),
        (NARROW, b'{"value": {"a": 1}}', "wrong_type"),
        (spec(value="a.b"), b'{"a": [{"b": 1}]}', "wrong_type"),
        (spec(value="a.b"), b'{"a": "b"}', "wrong_type"),
        (spec(value="a.b"), b'{"a": {}}', "missing"),
        (spec(value="a.b"), b'{"b": 1}', "missing"),
        (spec(value="a.0"), b'{"a": [1]}', "wrong_type"),
        (TIMED, b'{"value": 1}', "missing"),
        (FULL, b'{"dev": {"id": 7, "t": 1}, "name": "f", "v": 1}', "wrong_type"),
        (FULL, b'{"dev": {"id": "", "t": 1}, "name": "f", "v": 1}', "wrong_type"),
        (FULL, b'{"dev": {"id": "a", "t": 1}, "name": null, "v": 1}', "wrong_type"),
        (FULL, b'{"dev": "a", "name": "f", "v": 1}', "wrong_type"),
    ],
    ids=range(37),
)
def test_bad_input_has_a_code(how: JsonInput, payload: bytes, code: str) -> None:
    assert codes(payload, how) == [code]
    with pytest.raises(PayloadError):
        read(payload, how)


def test_of_an_array_the_good_records_are_used() -> None:
    samples, rejected = read(b'[{"value": 1}, {"value": "x"}, 7, [], {}, {"value": 2}]')
    assert [sample.value for sample in samples] == [1.0, 2.0]
    assert [code for code, _ in rejected] == ["wrong_type", "wrong_type", "wrong_type", "missing"]


def test_of_a_wide_record_the_good_members_are_used() -> None:
    samples, rejected = read(b'{"id":"a","t":1,"x":1,"y":null,"z":1e39,"w":{"a":1}}', WIDE)
    assert [sample.signal for sample in samples] == ["x"]
    assert [(code, detail.split(":")[0]) for code, detail in rejected] == [
        ("wrong_type", "y"),
        ("not_finite", "z"),
        ("wrong_type", "w"),
    ]


def test_a_wide_record_may_keep_device_and_time_in_a_member_of_their_own() -> None:
    how = spec(value=".", device="meta.id", time={"path": "meta.t"})
    samples, rejected = read(b'{"meta": {"id": "a", "t": 1}, "flow": 2}', how)
    assert (samples, rejected) == ([Sample("a", "flow", 10**9, 2.0)], [])


def test_a_signal_may_bear_the_name_of_the_time_where_they_are_apart() -> None:
    how = spec(wide=True, value="values", device="id", time={"path": "t"})
    samples, _ = read(b'{"id": "a", "t": 1, "values": {"t": 20.5, "id": 3}}', how)
    assert [(sample.signal, sample.value) for sample in samples] == [("t", 20.5), ("id", 3.0)]


def test_time_and_device_among_the_signals_are_none_of_them() -> None:
    how = spec(wide=True, value="values", device="values.id", time={"path": "values.t"})
    samples, rejected = read(b'{"values": {"t": 1, "id": "a", "flow": 2}}', how)
    assert (samples, rejected) == ([Sample("a", "flow", 10**9, 2.0)], [])


TIMES = [
    ("s", b"1700000000", 1_700_000_000_000_000_000),
    ("s", b"1700000000.25", 1_700_000_000_250_000_000),
    ("s", b"1700000000.123456", 1_700_000_000_123_456_000),
    ("s", b"-1.5", -1_500_000_000),
    ("s", b"0", 0),
    ("ms", b"1700000000123", 1_700_000_000_123_000_000),
    ("ms", b"1700000000123.5", 1_700_000_000_123_500_000),
    ("us", b"1700000000123456", 1_700_000_000_123_456_000),
    ("ns", b"1700000000123456789", 1_700_000_000_123_456_789),
    ("iso", b'"2023-11-14T22:13:20Z"', 1_700_000_000_000_000_000),
    ("iso", b'"2023-11-14T22:13:20.123456Z"', 1_700_000_000_123_456_000),
    ("iso", b'"2023-11-14 23:13:20+01:00"', 1_700_000_000_000_000_000),
    ("iso", b'"1969-12-31T23:59:59.5Z"', -500_000_000),
]


@pytest.mark.parametrize(("unit", "stamp", "t_ns"), TIMES)
def test_times_in_every_unit(unit: str, stamp: bytes, t_ns: int) -> None:
    [sample], _ = read(b'{"t": ' + stamp + b', "value": 1}', spec(time={"path": "t", "unit": unit}))
    assert sample.t_ns is not None
    assert abs(sample.t_ns - t_ns) <= 1000 * (unit in {"s", "ms"} and b"." in stamp)


@pytest.mark.parametrize(
    ("unit", "stamp", "code"),
    [
        ("iso", b'"2023-11-14T22:13:20"', "bad_time"),
        ("iso", b'"2023-11-14"', "bad_time"),
        ("iso", b'"2023-02-30T00:00:00Z"', "bad_time"),
        ("iso", b'"9999-12-31T23:59:59Z"', "bad_time"),
        ("iso", b'"0001-01-01T00:00:00+10:00"', "bad_time"),
        ("iso", b'"yesterday"', "bad_time"),
        ("iso", b"1700000000", "bad_time"),
        ("iso", b"null", "bad_time"),
        ("s", b'"1700000000"', "wrong_type"),
        ("s", b"true", "wrong_type"),
        ("s", b"null", "wrong_type"),
        ("s", b"[]", "wrong_type"),
        ("s", b"1700000000000", "bad_time"),
        ("s", b"1e30", "bad_time"),
        ("s", b"1e39", "not_finite"),
        ("ns", b"1" + b"0" * 40, "bad_time"),
        ("ns", b"9223372036854775807", "bad_time"),
        ("ns", b"-9223372036854775808", "bad_time"),
    ],
)
def test_what_is_no_time_has_a_code(unit: str, stamp: bytes, code: str) -> None:
    payload = b'{"t": ' + stamp + b', "value": 1}'
    assert codes(payload, spec(time={"path": "t", "unit": unit})) == [code]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["value", "v", "t", "id", "dev", "name", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)
payloads = st.one_of(
    st.binary(max_size=60),
    json_values.map(msgspec.json.encode),
    st.text(alphabet='{}[]",:0123456789eE+-.\\untrfalsvid ', max_size=40).map(str.encode),
)


@settings(max_examples=500, deadline=None)
@given(
    payloads, st.sampled_from([NARROW, TIMED, WIDE, FULL, spec(time={"path": "t", "unit": "iso"})])
)
def test_any_bytes_are_finite_samples_or_told(payload: bytes, how: JsonInput) -> None:
    rejected: list[tuple[str, str]] = []
    samples: list[Sample] = []
    try:
        samples, rejected = read(payload, how)
    except PayloadError as exc:
        rejected.append((exc.code, str(exc)))
    assert {code for code, _ in rejected} <= CODES
    assert all(what for _, what in rejected)
    msgspec.json.encode(rejected)  # no lone surrogate that could not be told
    for sample in samples:
        assert -FLOAT32_MAX <= sample.value <= FLOAT32_MAX
        assert sample.t_ns is None or abs(sample.t_ns) < 2**63
        msgspec.json.encode(sample)
