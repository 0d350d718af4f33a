from typing import Any

import pytest
from payloads import LIFE, NOW, SECOND, SPARKPLUG, golden, plain, read, reader

from edge_anomaly.formats import Block, Format, Gone, Sample
from edge_anomaly.formats.sparkplug import SparkplugFormat
from edge_anomaly.formats.sparkplug_payload import Payload
from edge_anomaly.values import Publish

N, D = "spBv1.0/plant/{}/n", "spBv1.0/plant/{}/n/d"
MINUTE = 60 * SECOND


def node(**options: Any) -> Format:
    return reader(**SPARKPLUG, **options)


def data(seq: int | None, **metric: Any) -> bytes:
    payload = Payload(timestamp=NOW // 10**6)
    if seq is not None:
        payload.seq = seq
    if metric:
        payload.metrics.add(**metric)
    return bytes(payload.SerializeToString())


def born(**options: Any) -> Format:
    """A node with one device, whose next number is 2."""
    how = node(**options)
    for topic, file in LIFE[:2]:
        read(golden(file), how, topic)
    return how


def rebirths(items: list[Any]) -> list[Publish]:
    return [item for item in items if isinstance(item, Publish)]


def test_the_golden_life_of_a_node() -> None:
    how = node(rate=1000)
    told = [read(golden(file), how, topic) for topic, file in LIFE]
    birth, device, after, wave, death = [plain(items) for items, _ in told]
    assert birth == [Sample("n", "flow", NOW, 7.5), Sample("n", "temp", NOW, -5.0)]
    assert device == [
        Sample("n/d", "flow", NOW, 0.25),
        Sample("n/d", "on", NOW, 1.0),
        Sample("n/d", "level", NOW, -2.0),
    ]
    assert after == [
        Sample("n", "flow", NOW + 9 * SECOND // 10, 8.5),
        Sample("n", "temp", NOW + SECOND, -6.0),
    ]
    assert wave == [Block("n", ("flow",), NOW, 1e6, [[1.0], [2.0], [3.0]])]  # type: ignore[arg-type] # as `plain` has it
    assert death == [
        Gone("n", ["bdSeq", "Node Control/Rebirth", "flow", "temp", "serial"]),
        Gone("n/d", ["flow", "on", "level"]),
    ]
    rejected = [[code for code, _ in why] for _, why in told]
    assert rejected == [[], [], ["bad_quality", "historical", "bad_quality"], [], []]


def test_a_device_is_named_as_the_config_says() -> None:
    how = node(device="{group}.{device}")
    read(golden(LIFE[0][1]), how, LIFE[0][0])
    [first, *_], _ = read(golden(LIFE[1][1]), how, LIFE[1][0])
    assert isinstance(first, Sample)
    assert first.device == "plant.d"


def test_arrival_may_count_in_place_of_the_nodes_clock() -> None:
    items, _ = read(golden(LIFE[0][1]), node(clock="arrival"), LIFE[0][0])
    assert [item.t_ns for item in items if isinstance(item, Sample)] == [None, None]


@pytest.mark.parametrize(
    "topic",
    [
        "spBv1.0/STATE/host",
        "STATE/host",
        "spBv1.0/plant/NCMD/n",
        "spBv1.0/plant/DCMD/n/d",
        "spBv1.0/plant/STATE/n",
        "spBv1.0/plant/DDATA/n",
        "spBv1.0/plant/NDATA/n/d",
        "spBv1.0/plant/NDATA/",
        "spBv1.0/plant",
        "spBv1.0/plant/DDATA/n/d/e",
    ],
)
def test_what_is_of_hosts_or_of_nobody_is_ignored(topic: str) -> None:
    for payload in (b"ONLINE", b'{"online":true,"timestamp":1}', data(3, alias=1, int_value=1)):
        assert read(payload, born(), topic) == ([], [])


def test_data_of_a_node_whose_birth_was_missed_ask_for_it_at_a_bounded_rate() -> None:
    how = node()
    asked = []
    for second in range(130):
        payload = data(second % 256, alias=1, int_value=1)
        items, rejected = read(payload, how, N.format("NDATA"), NOW + second * SECOND)
        assert [code for code, _ in rejected] == ["missing"]
        asked += [(second, item) for item in rebirths(items)]
    assert [second for second, _ in asked] == [0, 60, 120]
    request = asked[0][1]
    assert (request.topic, request.qos, request.retain) == ("spBv1.0/plant/NCMD/n", 0, False)
    [metric] = Payload.FromString(request.payload).metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == (
        b"Node Control/Rebirth",
        11,
        True,
    )
    assert rebirths(read(golden(LIFE[0][1]), how, LIFE[0][0])[0]) == []


def test_named_data_without_a_birth_are_used() -> None:
    items, rejected = read(data(5, name=b"flow", float_value=1.5), node(), N.format("NDATA"))
    assert [item for item in items if isinstance(item, Sample)] == [Sample("n", "flow", NOW, 1.5)]
    assert len(rebirths(items)) == 1
    assert rejected == []


def test_who_may_not_ask_does_not() -> None:
    items, _ = read(data(5, name=b"x", int_value=1), node(rebirth=False), N.format("NDATA"))
    assert rebirths(items) == []


def test_a_missing_number_is_waited_for_and_then_the_birth_is_asked_for() -> None:
    how = born()
    steps = [(2, 0.0), (4, 0.1), (5, 1.0), (6, 2.2), (7, 2.3), (8, 9.0)]
    asked = [
        len(rebirths(read(data(seq), how, N.format("NDATA"), NOW + round(at * SECOND))[0]))
        for seq, at in steps
    ]
    assert asked == [0, 0, 0, 1, 0, 0]  # three came never, and two seconds were over


def test_what_comes_out_of_order_in_time_is_nothing_to_ask_about() -> None:
    how = born()
    for seq, at in [(2, 0.0), (4, 0.1), (3, 0.2), (5, 9.0), (5, 9.1), (4, 9.2)]:
        items, _ = read(data(seq), how, N.format("NDATA"), NOW + round(at * SECOND))
        assert items == []


def test_numbers_go_on_at_zero_behind_255() -> None:
    how = born()
    for seq in [*range(2, 256), 0, 1, 2]:
        items, _ = read(data(seq), how, N.format("NDATA"), NOW + seq * MINUTE)
        assert items == []


def test_a_device_that_was_not_born_makes_the_node_be_asked() -> None:
    how = born()
    items, _ = read(data(2, name=b"a", int_value=1), how, "spBv1.0/plant/DDATA/n/other")
    assert len(rebirths(items)) == 1


def test_an_alias_of_an_earlier_life_is_forgotten() -> None:
    how = born()
    birth = Payload(timestamp=NOW // 10**6, seq=0)
    birth.metrics.add(name=b"bdSeq", long_value=4)
    birth.metrics.add(name=b"other", alias=1, datatype=9)
    read(birth.SerializeToString(), how, N.format("NBIRTH"))
    items, _ = read(data(1, alias=1, float_value=2.5), how, N.format("NDATA"))
    assert items == [Sample("n", "other", NOW, 2.5)]
    _, [(code, _)] = read(data(2, alias=2, int_value=1), how, N.format("NDATA"))
    assert code == "missing"


def test_a_death_of_an_earlier_life_ends_nothing() -> None:
    how = born()
    will = Payload()
    will.metrics.add(name=b"bdSeq", long_value=2)
    assert read(will.SerializeToString(), how, N.format("NDEATH")) == ([], [])
    items, _ = read(data(2, alias=1, float_value=1.0), how, N.format("NDATA"))
    assert len(items) == 1


def test_a_device_may_end_alone() -> None:
    how = born()
    items, _ = read(data(2), how, D.format("DDEATH"))
    assert items == [Gone("n/d", ["flow", "on", "level"])]
    items, _ = read(data(3, alias=1, float_value=1.0), how, N.format("NDATA"))
    assert items == [Sample("n", "flow", NOW, 1.0)]


@pytest.mark.parametrize(
    ("kind", "value", "number"),
    [
        (1, {"int_value": 0xFE}, -2.0),
        (1, {"int_value": 0xFFFFFFFE}, -2.0),  # as some libraries send it
        (2, {"int_value": 0x8000}, -32768.0),
        (3, {"int_value": 0xFFFFFFFF}, -1.0),
        (4, {"long_value": 2**64 - 1}, -1.0),
        (5, {"int_value": 255}, 255.0),
        (7, {"long_value": 2**32 - 1}, float(2**32 - 1)),
        (8, {"long_value": 2**64 - 1}, float(2**64 - 1)),
        (9, {"float_value": -0.5}, -0.5),
        (10, {"double_value": 1e30}, 1e30),
        (11, {"boolean_value": True}, 1.0),
        (12, {"int_value": 1}, None),
        (13, {"long_value": NOW // 10**6}, None),
        (30, {"bytes_value": b"1234"}, None),  # no rate is configured
    ],
)
def test_values_of_every_type(kind: int, value: dict[str, Any], number: float | None) -> None:
    items, rejected = read(data(2, name=b"x", datatype=kind, **value), born(), N.format("NDATA"))
    assert rejected == []
    assert items == ([] if number is None else [Sample("n", "x", NOW, number)])


@pytest.mark.parametrize(
    ("metric", "code"),
    [
        ({"name": b"x", "double_value": 1e300}, "not_finite"),
        ({"name": b"x", "float_value": float("nan")}, "not_finite"),
        ({"name": b"\xff", "int_value": 1}, "unparsable"),
        ({"int_value": 1}, "missing"),
        ({"name": b"x", "int_value": 1, "timestamp": 2**63}, "bad_time"),
        ({"name": b"x", "datatype": 31, "bytes_value": b"123"}, "unparsable"),
    ],
)
def test_what_is_wrong_with_a_metric_is_told(metric: dict[str, Any], code: str) -> None:
    items, rejected = read(data(2, **metric), born(rate=10), N.format("NDATA"))
    assert (items, [code for code, _ in rejected]) == ([], [code])


def test_quality_may_be_in_doubt() -> None:
    payload = Payload(seq=2)
    for quality in (192, 64, 0):
        metric = payload.metrics.add(name=b"x", int_value=1)
        metric.properties.keys.append(b"Quality")
        metric.properties.values.add(type=3, int_value=quality)
    items, rejected = read(payload.SerializeToString(), born(), N.format("NDATA"))
    assert [item.uncertain for item in items if isinstance(item, Sample)] == [False, True]
    assert [code for code, _ in rejected] == ["bad_quality"]


def test_what_is_remembered_can_be_put_away_and_taken_up() -> None:
    how = born()
    read(data(4), how, N.format("NDATA"))
    other = node()
    other.restore(how.snapshot())
    assert other.snapshot() == how.snapshot()
    payload = data(5, alias=1, float_value=1.0)
    assert read(payload, other, N.format("NDATA")) == read(payload, how, N.format("NDATA"))


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_anomaly.formats.sparkplug.NODES", 3)
    monkeypatch.setattr("edge_anomaly.formats.sparkplug.ALIASES", 3)
    how = node()
    assert isinstance(how, SparkplugFormat)
    for number in range(9):
        read(data(0, name=b"x", int_value=1), how, f"spBv1.0/g/NBIRTH/{number}")
        read(data(0, name=b"x", int_value=1), how, f"spBv1.0/g/DBIRTH/0/{number}")
    birth = Payload(seq=1)
    for number in range(9):
        birth.metrics.add(name=b"%d" % number, alias=number, int_value=1)
    _, rejected = read(birth.SerializeToString(), how, "spBv1.0/g/NBIRTH/1")
    assert {code for code, _ in rejected} == {"crowded"}
    state = how.snapshot()["nodes"]
    assert len(state) == 3
    assert len(state["g/0"]["metrics"]) == 3
    assert len(state["g/1"]["aliases"]) == 3
