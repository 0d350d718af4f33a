from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from plants import CONFIG, SECOND, START, agent, bundle, message, of

from edge_anomaly.alarms.conditions import NO_DATA, STUCK, Conditions
from edge_anomaly.core import Core
from edge_anomaly.errors import StateError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Duration, parse
from edge_anomaly.files.rules import Alarms, NoData, Stuck

MINUTE = 60 * SECOND
# A quiet model: what it thinks of flat lines and gaps is not the matter here.
QUIET = "raise: {above: 1000, windows: 3}\n  clear: {below: 1, windows: 1}"


def core(rules: str, lateness: str = "0s") -> Core:
    text = CONFIG.replace("raise: {above: 1.0, windows: 3}\n  clear: {below: 0.8, windows: 2}", "Q")
    text = text.replace("Q", f"{QUIET}\n  {rules}").replace("lateness: 0s", f"lateness: {lateness}")
    return agent(parse(text))[0]


def live(
    mine: Core, seconds: Iterable[int], flow: Any = None, temp: Any = None
) -> list[dict[str, Any]]:
    """Events of a device whose signals are functions of the second; None is silence."""
    sent = []
    for second in seconds:
        now = START + second * SECOND
        found = {"flow": flow and flow(second), "temp": temp and temp(second)}
        values = {name: value for name, value in found.items() if value is not None}
        messages = [message(second, values)] if values else []
        sent += [*mine.receive(messages, now), *mine.tick(now)]
    return of(sent, "event")


def alive(second: int) -> float:
    return 10.0 + second % 2


def flat(_: int) -> float:
    return 10.0


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [
        (event["detector"], event["type"], event["ts_ms"] // 1000 - START // SECOND)
        for event in events
    ]


def test_a_named_signal_that_reads_the_same_is_stuck_until_it_moves() -> None:
    mine = core("stuck: {after: 20s, signals: [temp]}")
    events = live(mine, range(60), alive, lambda second: 10.0 if 10 <= second < 50 else second)
    # From 10 on it reads 10 (as it did at second 9), so at 30 it has for more than 20 s.
    assert told(events) == [(STUCK, "new", 32), (STUCK, "end", 51)]
    assert [part["signal"] for part in events[0]["contributors"]] == ["temp"]
    assert events[0]["contributors"][0]["value"] == 10.0
    assert "temp has read the same for 21 s" in events[0]["message"]
    assert events[0]["severity"] == "warning"


def test_two_signals_have_what_one_has() -> None:
    mine = core("stuck: {after: 20s, signals: [flow, temp]}")
    [event] = live(mine, range(40), flat, flat)
    assert "flow and temp have read the same for 21 s" in event["message"]


def test_a_signal_that_may_be_constant_is_left_alone() -> None:
    assert live(core("stuck: {after: 20s}"), range(200), flat, alive) == []


def test_nothing_is_stuck_where_the_config_says_so() -> None:
    assert live(core("stuck: null"), range(200), flat, flat) == []


def with_still(*seconds: float) -> Bundle:
    opened = bundle()
    still = np.array([seconds, seconds]) * SECOND
    object.__setattr__(
        opened, "calibration", {**opened.calibration, "still": still.astype(np.int64)}
    )
    return opened


def test_a_bundle_that_knows_how_long_signals_are_still_sets_the_limits() -> None:
    made = Conditions(with_still(0, 900), 0, Alarms(stuck=Stuck(after=Duration(MINUTE))))
    assert made._still.tolist() == [MINUTE, 2700 * SECOND]
    named = Stuck(after=Duration(MINUTE), signals=["temp"])
    made = Conditions(with_still(0, 900), 0, Alarms(stuck=named))
    assert made._still.tolist() == [MINUTE, MINUTE]
    made = Conditions(with_still(0, -1), 0, Alarms())
    assert made._still[1] == np.iinfo(np.int64).max


def test_a_signal_that_stays_away_while_others_come_has_no_data() -> None:
    mine = core("no_data: {after: 30s}")
    events = live(mine, range(100), alive, lambda s: None if 20 <= s < 80 else alive(s))
    assert told(events) == [(NO_DATA, "new", 50), (NO_DATA, "end", 81)]
    assert "temp has sent nothing for 31 s" in events[0]["message"]
    assert [part["signal"] for part in events[0]["contributors"]] == ["temp"]


def test_a_signal_that_never_came_has_no_data() -> None:
    events = live(core("no_data: {after: 30s}"), range(100), alive)
    assert [kind for kind, *_ in told(events)] == [NO_DATA]


def test_only_signals_that_must_come_are_missed() -> None:
    assert live(core("no_data: {after: 30s, signals: [flow]}"), range(100), alive) == []


def test_a_device_that_falls_silent_is_told_once_and_ends_when_it_speaks() -> None:
    mine = core("no_data: {after: 30s}")
    events = live(mine, range(20), alive, alive)
    events += live(mine, range(20, 300))
    events += live(mine, range(300, 305), alive, alive)
    assert told(events)[0] == (NO_DATA, "new", 49)  # 30 s behind the last reading
    assert [kind for _, kind, _ in told(events)] == ["new", "end"]
    assert "nothing that can be used has come for 30 s" in events[0]["message"]


def test_the_id_of_a_silence_does_not_depend_on_when_somebody_looked() -> None:
    ids = set()
    for step in (1, 7, 100):
        mine = core("no_data: {after: 30s}")
        live(mine, range(20), alive, alive)
        [event] = live(mine, range(20, 300, step))
        ids.add(event["event_id"])
    assert len(ids) == 1


def test_the_agents_own_absence_is_no_silence() -> None:
    mine = core("no_data: {after: 30s}")
    live(mine, range(20), alive, alive)
    mine.connected(START + 500 * SECOND)
    assert of(mine.tick(START + 501 * SECOND), "event") == []
    assert len(of(mine.tick(START + 531 * SECOND), "event")) == 1


def test_a_device_that_never_spoke_is_not_missed() -> None:
    assert live(core("no_data: {after: 30s}"), range(100)) == []


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_of_the_gateway_that_is_set_raises_no_alarm(jump: int) -> None:
    mine = core("no_data: {after: 30s}")
    events = live(mine, range(20), alive, alive)
    sent = []
    mine.clock_set(jump * SECOND)
    for second in range(20, 120):  # the device's clock is right all the time
        now = START + (second + jump) * SECOND
        sent += mine.receive([message(second, {"flow": alive(second), "temp": 10.0})], now)
        sent += mine.tick(now)
    if jump < 0:  # the device is an hour ahead of us: told as such, and nothing else
        assert mine.rejected == {"future": 200}
    mine.clock_set(-jump * SECOND)
    events += live(mine, range(120, 160), alive, alive)
    assert events + of(sent, "event") == []
    sent = mine.receive([message(160, 10.0)], START + 160 * SECOND)
    scores = of(sent + mine.tick(START + 160 * SECOND), "score")
    assert [one["score"] is None for one in scores] == [False]


def test_why_a_window_is_not_scored_is_on_the_score_topic() -> None:
    mine = core("no_data: null")
    sent = []
    for second in range(12):
        values = {"flow": 10.0, "temp": 10.0} if second < 6 else {"flow": 10.0}
        sent += mine.receive([message(second, values)], START + second * SECOND)
    assert [one["unscored"] for one in of(sent, "score")] == [
        *["warming_up"] * 3,
        *[None] * 6,
        *["coverage"] * 2,
    ]


def test_limits_are_three_periods_at_least() -> None:
    assert (
        Conditions(bundle(), 0, Alarms(no_data=NoData(after=Duration(SECOND)))).after_ns
        == 3 * SECOND
    )
    assert Conditions(bundle(), 0, Alarms(no_data=None)).after_ns is None
    assert Conditions(bundle(), 0, Alarms(no_data=None, stuck=None)).watches == []


def test_a_snapshot_goes_on() -> None:
    first = core("no_data: {after: 30s}")
    live(first, range(25), alive)
    second = core("no_data: {after: 30s}")
    assert second.restore(first.snapshot()) == []
    assert told(live(second, range(25, 60), alive)) == told(live(first, range(25, 60), alive))
    made = Conditions(bundle(), 0, Alarms())
    with pytest.raises(StateError):
        made.restore({"began_ns": "x"})
