"""Degrading and drift as an operator meets them: through the core, as events."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from plants import DEVICES, SECOND, SIGNALS, START, bundle, config

from edge_anomaly.alarms.advisories import DEGRADING, DRIFT, RHYTHM
from edge_anomaly.alarms.annunciator import Annunciator
from edge_anomaly.alarms.drift import bin_shares, tenths
from edge_anomaly.alarms.watched import Watched
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.duration import Duration
from edge_anomaly.files.rules import Alarms, Drifting, Trending
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Event

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def window(t_ns: int, score: float, observed: Any = (10.0, 10.0)) -> Judged:
    pair = np.array(observed, np.float32)
    return Judged(
        device="c-1",
        start_ns=t_ns - 4 * SECOND,
        end_ns=t_ns,
        coverage=1.0,
        warm=True,
        score=score,
        threshold=1.0,
        deviation=np.ones(2, np.float32),
        observed=pair,
        expected=pair,
        where_ns=(t_ns - 3 * SECOND, t_ns - SECOND),
    )


def with_reference() -> Bundle:
    rng = np.random.default_rng(0)
    healthy = np.column_stack([rng.uniform(0.1, 0.6, 1_000), rng.normal(10, 1, (1_000, 2))])
    edges = tenths(healthy)
    known = bundle()
    arrays = {
        "reference.edges": np.stack([edges] * len(DEVICES)),
        "reference.shares": np.stack([bin_shares(healthy, edges)] * len(DEVICES)),
        "reference.windows": np.full(len(DEVICES), 1_000),
    }
    return Bundle(**{**known.__dict__, "calibration": {**known.calibration, **arrays}})


def watched(known: Bundle, **rules: Any) -> Watched:
    base = config().alarms
    alarms: Alarms = msgspec.structs.replace(base, **rules)
    return Watched(Annunciator("north/gw", alarms), known, "c-1", 0, alarms)


WEAR = Trending(span=Duration(12 * HOUR), horizon=Duration(24 * HOUR))


def wear(one: Watched, hours: float, *, doubling: float = 8.0) -> list[Event]:
    """A score that doubles, from a tenth of the threshold on, a window every five minutes."""
    rng = np.random.default_rng(1)
    events = []
    for step in range(round(hours * 12)):
        score = 0.1 * 2 ** (step / 12 / doubling) * math.exp(0.1 * rng.normal())
        t_ns = START + step * 5 * MINUTE
        events += one.judge(window(t_ns, score), t_ns)
    return events


def test_wear_is_told_before_the_alarm_and_withdrawn_when_the_alarm_is_there() -> None:
    events = wear(watched(bundle(), trend=WEAR), 32)
    first = events[0]
    assert (first.detector, first.type, first.severity) == (DEGRADING, "new", "advisory")
    [alarm] = [event for event in events if event.detector == "small" and event.type == "new"]
    crossing = START / 1e6 + 8 * math.log2(10) * 3600e3
    assert first.ts_ms < crossing - 6 * 3600e3 < alarm.ts_ms
    assert first.trend is not None
    assert first.trend.earliest_s is not None
    assert first.trend.earliest_s < (crossing - first.ts_ms) / 1e3
    assert first.message.startswith("c-1: its deviation grows by ")
    assert " an hour and reaches the alarm level in about " in first.message
    assert alarm.trend is not None  # the alarm knows the trend too
    assert [event.type for event in events if event.detector == DEGRADING] == ["new", "end"]


def test_a_trend_is_watched_only_where_it_is_asked_for() -> None:
    assert {event.detector for event in wear(watched(bundle()), 32)} == {"small"}


def shift(one: Watched, by: float, start: int = 0) -> list[Event]:
    rng = np.random.default_rng(2)
    events = []
    for step in range(start, start + 200):
        t_ns = START + step * 10 * MINUTE
        found = window(t_ns, rng.uniform(0.1, 0.6), rng.normal((10, 10 + by), 1))
        events += one.judge(found, t_ns)
    return events


def test_drift_is_told_and_recommends_and_changes_nothing() -> None:
    one = watched(with_reference())
    assert shift(one, 0.0) == []
    [event] = shift(one, 2.0, 200)
    assert (event.detector, event.type, event.severity) == (DRIFT, "new", "advisory")
    assert event.message.startswith(f"c-1: {SIGNALS[1]} is no longer distributed as in the time")
    assert "recalibrate, or train again" in event.message
    [over] = shift(one, 0.0, 400)
    assert over.type == "end"


def test_drift_can_be_turned_off_and_needs_a_reference() -> None:
    assert shift(watched(with_reference(), drift=None), 2.0) == []
    assert shift(watched(bundle()), 2.0) == []


def test_a_rhythm_that_has_changed_is_told() -> None:
    known = bundle()
    arrays = {"reference.period_slots": np.array([[96.0, 0.0]] * len(DEVICES), np.float32)}
    one = watched(Bundle(**{**known.__dict__, "calibration": {**known.calibration, **arrays}}))
    events = []
    for second in range(96 * 14):
        period = 96 if second < 96 * 7 else 32
        flow = 10 + math.sin(2 * math.pi * second / period)
        events += one.judge(window(START + second * SECOND, 0.3, (flow, 10.0)), START)
    [event] = events
    assert (event.detector, event.type, event.severity) == (RHYTHM, "new", "advisory")
    assert event.message.startswith(f"c-1: {SIGNALS[0]} repeats itself every 1 min where")


def test_time_in_alarm_is_not_healthy_time() -> None:
    one = watched(with_reference(), drift=Drifting(samples=100, over=Duration(0)))
    for second in range(3):
        one.judge(window(START + second * SECOND, 3.0), START)
    events = [
        event
        for step in range(200)
        for event in one.judge(window(START + step * MINUTE, 3.0, (10.0, 99.0)), START)
    ]
    assert events == []


def test_an_alarm_says_which_part_of_the_window_is_to_blame() -> None:
    one = watched(bundle())
    for second in range(2):
        one.judge(window(START + second * SECOND, 3.0), START)
    [event] = one.judge(window(START + 2 * SECOND, 3.0), START)
    assert event.where is not None
    assert (event.where.start, event.where.end) == (
        "2023-11-14T22:13:19.000Z",
        "2023-11-14T22:13:21.000Z",
    )


def test_a_restart_forgets_nothing() -> None:
    rules = {"trend": WEAR}
    one, other = watched(with_reference(), **rules), watched(with_reference(), **rules)
    wear(one, 10)
    other.restore(one.snapshot())
    assert msgspec.json.encode(other.snapshot()["line"]) == msgspec.json.encode(
        one.snapshot()["line"]
    )
    assert (other.snapshot()["drift"]["counts"] == one.snapshot()["drift"]["counts"]).all()
    watched(bundle()).restore(one.snapshot())  # watches neither any more


@pytest.mark.parametrize("text", ["trend: {growth: 1.0}", "drift: {samples: 10}"])
def test_rules_that_would_cry_wolf_are_refused(text: str) -> None:
    with pytest.raises(Exception, match=r"plant\.yaml"):
        config("alarms:\n", f"alarms:\n  {text}\n")
