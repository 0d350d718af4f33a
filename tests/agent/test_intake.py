"""Formats other than JSON on their way through the core."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import SPARKPLUG, golden
from plants import CONFIG, SECOND, START, agent, message, of

from edge_anomaly.core import Core
from edge_anomaly.errors import StateError
from edge_anomaly.files.config import parse
from edge_anomaly.formats.sparkplug_payload import Payload
from edge_anomaly.intake import Intake
from edge_anomaly.rejects import Rejects
from edge_anomaly.values import Message, Publish

MODELS = CONFIG[CONFIG.index("models:") :]


def core(inputs: str) -> Core:
    text = f'site: north\nagent: gw\nbroker: {{url: "embedded:"}}\ninputs:\n{inputs}\n{MODELS}'
    return agent(parse(text))[0]


def scores(sent: list[Publish]) -> list[tuple[float | None, float]]:
    return [(one["score"], one["coverage"]) for one in of(sent, "score")]


def test_a_block_is_scored_like_its_samples() -> None:
    wave = 10 + np.arange(24, dtype="<f4").reshape(12, 2) % 5
    blocks = core(
        "  - {topic: 'x/{device}', format: array, channels: [flow, temp], rate: 1, lateness: 0s}"
    )
    sent = blocks.receive([Message("x/c-1", wave.tobytes())], START)
    singles = core("  - {topic: 'x/{device}/{signal}', format: text, lateness: 0s}")
    want: list[Publish] = []
    for second, (flow, temp) in enumerate(wave.tolist(), -11):
        pair = [Message("x/c-1/flow", b"%f" % flow), Message("x/c-1/temp", b"%f" % temp)]
        want += singles.receive(pair, START + second * SECOND)
    assert scores(sent) == scores(want)
    assert len(scores(sent)) == 11
    assert blocks.rejected == {}


def test_of_a_block_the_unknown_channels_and_the_bad_samples_are_told() -> None:
    wave = np.ones((6, 3), "<f4")
    wave[3, 0] = np.nan
    how = "channels: [flow, colour, temp], rate: 1, lateness: 0s, max_gap: 0s"
    mine = core(f"  - {{topic: 'x/{{device}}', format: array, {how}}}")
    sent = mine.receive([Message("x/c-1", wave.tobytes())], START)
    assert mine.rejected == {"unknown_signal": 1, "not_finite": 1}
    assert scores(sent)[-1] == (0.0, 7 / 8)
    mine.receive([Message("x/nobody", wave.tobytes())], START)
    assert mine.rejected["unknown_device"] == 3


def test_a_block_that_spans_a_year_is_refused() -> None:
    mine = core("  - {topic: 'x/{device}/{signal}', format: array, rate: 0.000001}")
    mine.receive([Message("x/c-1/flow", bytes(400))], START)
    assert mine.rejected == {"bad_time": 1}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["last", "mean", "min", "max"]))
def test_the_order_of_arrival_within_the_lateness_changes_no_score(seed: int, how: str) -> None:
    """Five readings a slot and signal, each up to two seconds late."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    inputs = "  - {topic: 'plant/{device}/{signal}', time: {path: t}, lateness: 2s, max_gap: 2s}"
    text = f'site: north\nagent: gw\nbroker: {{url: "embedded:"}}\ninputs:\n{inputs}\n{MODELS}'
    rules = parse(text.replace('["c*"]', f'["c*"]\n    aggregate: {how}'))
    readings = [
        (fifth, message(fifth / 5, 10 + rng.gauss(0, 1), signal=signal))
        for fifth in range(60)
        for signal in ("flow", "temp")
        if rng.random() < 0.8
    ]
    told = []
    for _ in range(2):
        mine = agent(rules, smoothed=True)[0]
        sent = mine.receive([one for _, one in readings], START + 60 * SECOND)
        sent += mine.tick(START + 3600 * SECOND)
        told.append([one.payload for one in sent if one.topic.endswith("/score")])
        assert "late" not in mine.rejected
        readings.sort(key=lambda pair: pair[0] + rng.random() * 9.9)
    assert sorted(told[0]) == sorted(told[1])
    assert len(told[0]) >= 11


def metric(seq: int, second: int, **values: float) -> Message:
    payload = Payload(seq=seq, timestamp=(START + second * SECOND) // 10**6)
    for name, value in values.items():
        payload.metrics.add(name=name.encode(), datatype=9, float_value=value)
    kind = "NDATA" if seq else "NBIRTH"
    return Message(f"spBv1.0/plant/{kind}/c-1", payload.SerializeToString())


def test_the_death_of_a_sparkplug_node_makes_its_signals_stale() -> None:
    how = f"  - {{topic: '{SPARKPLUG['topic']}', format: sparkplug, lateness: 0s, max_gap: 1h}}"
    mine = core(how)
    sent: list[Publish] = []
    for second in range(8):
        message = metric(second, second, flow=10.0, temp=10.0)
        sent += mine.receive([message], START + second * SECOND)
    assert scores(sent)[-1] == (0.0, 1.0)
    mine.receive([Message("spBv1.0/plant/NDEATH/c-1", b"")], START + 8 * SECOND)
    sent = []
    for seq, second in enumerate(range(8, 13)):
        sent += mine.receive([metric(seq, second, flow=10.0)], START + second * SECOND)
    assert [coverage for _, coverage in scores(sent)] == [1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8]
    assert [score is None for score, _ in scores(sent)] == [False, False, True, True, True]


def test_the_request_for_a_birth_is_published() -> None:
    mine = core("  - {topic: 'spBv1.0/plant/#', format: sparkplug}")
    sent = mine.receive([Message("spBv1.0/plant/NDATA/n", golden("sparkplug-ndata.bin"))], START)
    assert [one.topic for one in sent] == ["spBv1.0/plant/NCMD/n"]


def test_uncertain_readings_count_against_the_coverage_and_bad_ones_are_missing() -> None:
    mine = core(
        "  - {topic: 'x/{device}', value: v, time: {path: t}, lateness: 0s, max_gap: 0s,"
        " quality: {path: q, good: [0], uncertain: [1]}}"
    )
    sent: list[Publish] = []
    for second, quality in enumerate([0, 0, 0, 0, 0, 1, 2, 0]):
        body = b'{"t": %d, "q": %d, "v": {"flow": 10, "temp": 10}}'
        payload = body % (START // SECOND + second, quality)
        sent += mine.receive([Message("x/c-1", payload)], START + second * SECOND)
    assert [coverage for _, coverage in scores(sent)] == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5]
    assert mine.rejected == {"bad_quality": 1}


def test_a_time_that_is_a_unit_off_is_told_once_and_used() -> None:
    mine = core("  - {topic: 'x/{device}/{signal}', time: {path: t, unit: ms}, lateness: 0s}")
    told = []
    for second in range(20):
        body = b'{"t": %d, "value": 10}' % (START // SECOND + second)
        sent = mine.receive([Message("x/c-1/flow", body)], START + second * SECOND)
        told += of(sent + mine.tick(START + second * SECOND), "error")
    assert mine.rejected == {"implausible_time": 1}
    assert "1970-01-20" in told[0]["detail"]
    assert "1,000 times as much would be today: check `unit`" in told[0]["detail"]


def test_what_the_formats_remember_is_in_the_snapshot() -> None:
    inputs = "  - {topic: 'spBv1.0/plant/#', format: sparkplug}"
    first, second = core(inputs), core(inputs)
    first.receive([Message("spBv1.0/plant/NBIRTH/n", golden("sparkplug-nbirth.bin"))], START)
    second.restore(first.snapshot())
    sent = second.receive([Message("spBv1.0/plant/NDATA/n", golden("sparkplug-ndata.bin"))], START)
    assert sent == []  # the aliases are known


def test_a_state_that_is_none_is_refused() -> None:
    inputs = parse(CONFIG).inputs
    with pytest.raises(StateError):
        Intake(inputs, {}, Rejects()).restore([])  # type: ignore[arg-type] # that it is none
