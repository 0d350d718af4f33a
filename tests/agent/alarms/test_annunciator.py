from typing import Any

import pytest
from plants import SECOND, START

from edge_anomaly.alarms.annunciator import Annunciator
from edge_anomaly.alarms.evidence import Cause, Detector, Finding
from edge_anomaly.alarms.flood import FLOOD
from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Alarms, Clear, Raise
from edge_anomaly.values import Event, ModelRef

BASE = "edge-agent/v1/north/gw"
FAULT = [10.0] * 8 + [10.0, 12.0, 14.5, 17.5, 21.0, 25.0]
RULES = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1))
STUCK = Detector("stuck", ModelRef(name="small", version="1", sha256=""), RULES)


def finding(second: float, score: float) -> Finding:
    t_ns = START + round(second * SECOND)
    return Finding(t_ns - SECOND, t_ns, score, 1.0, lambda: Cause("flow does not move"))


def crowd(size: int, rules: Alarms = RULES) -> tuple[Annunciator, list[Any]]:
    panel = Annunciator("north/gw", rules)
    return panel, [panel.add(f"c-{number:02}", STUCK) for number in range(size)]


def test_a_flood_is_told_once_and_names_the_first_out() -> None:
    panel, alarms = crowd(15)
    events: list[Event] = []
    for number, alarm in enumerate(alarms):
        events += panel.judge(alarm, finding(10 * number, 3.0), START)
    floods = [event for event in events if event.detector == FLOOD]
    assert len(events) == 15 + 1
    [flood] = floods
    assert (flood.type, flood.score, flood.threshold, flood.device) == ("new", 11.0, 10.0, "*")
    assert flood.first_out == events[0].event_id
    assert flood.message == (
        "11 new alarms on 11 devices within 10 min; first out c-00: flow does not move, "
        "since 2023-11-14 22:13:20 UTC"
    )
    quiet = [panel.judge(alarms[0], finding(second, 3.0), START) for second in range(140, 760, 10)]
    [end] = [event for events in quiet for event in events]
    assert (end.type, end.seq, end.event_id) == ("end", 2, flood.event_id)
    assert "15 alarms on 15 devices" in end.message
    rates = panel.rates(START + 760 * SECOND)
    assert (rates.total, rates.per_day, rates.most_per_10min) == (15, 15, 15)
    assert rates.in_flood_s == pytest.approx((end.ts_ms - START / 1e6) / 1e3)
    assert not rates.flooded


def test_what_nobody_is_called_for_makes_no_flood() -> None:
    panel, alarms = crowd(15)
    for alarm in alarms:
        alarm.shelve(START + 9_999 * SECOND, START)
    events = [e for n, alarm in enumerate(alarms) for e in panel.judge(alarm, finding(n, 3.0), 0)]
    assert len(events) == 15
    assert panel.rates(START + 20 * SECOND).total == 0


def test_advisories_make_no_flood() -> None:
    gentle = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1), severities={"advisory": 1.0})
    panel = Annunciator("north/gw", gentle)
    alarms = [panel.add(f"c-{n}", STUCK._replace(rules=gentle)) for n in range(15)]
    events = [e for n, alarm in enumerate(alarms) for e in panel.judge(alarm, finding(n, 3.0), 0)]
    assert len(events) == 15
    assert panel.rates(START + 20 * SECOND).total == 0


def test_the_loudest_devices_are_known() -> None:
    panel, alarms = crowd(2)
    for second in range(0, 4_000, 200):
        for alarm in alarms[: 1 + (second == 0)]:
            panel.judge(alarm, finding(second, 3.0), START)
            panel.judge(alarm, finding(second + 1, 0.1), START)
    rates = panel.rates(START + 4_000 * SECOND)
    assert rates.talkers == {"c-00": 20, "c-01": 1}
    assert rates.per_10min == 2
    assert panel.counts() == {"NORMAL": 2}


def test_several_detectors_of_a_device_have_alarms_of_their_own() -> None:
    panel = Annunciator("north/gw", RULES)
    stuck = panel.add("c-1", STUCK)
    silent = panel.add("c-1", STUCK._replace(name="no-data"))
    panel.judge(silent, finding(0, 3.0), START)
    stuck.shelve(START + 9 * SECOND, START)
    assert panel.state("c-1").detector == "no-data"  # the most urgent
    assert panel.state("c-1").state == "ACTIVE_UNACK"
    assert panel.counts() == {"SHELVED": 1, "ACTIVE_UNACK": 1}


def test_a_snapshot_of_other_devices_is_no_fault_and_nonsense_is() -> None:
    panel, _ = crowd(3)
    smaller, _ = crowd(1)
    smaller.restore(panel.snapshot())
    good = panel.snapshot()
    flaws: list[dict[str, Any]] = [
        {"alarms": 7},
        {"rates": {}},
        {"labels": 3},
        {"asked": {"c-00": 4}},
        {"past": 1},
    ]
    for flaw in flaws:
        with pytest.raises(StateError):
            panel.restore(good | flaw)
    with pytest.raises(StateError):
        panel.restore({})
