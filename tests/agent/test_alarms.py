from typing import Any

import numpy as np
import pytest
from plants import SECOND, START, bundle, config, feed, fresh_core, message, of

from edge_anomaly.alarms import Alarm, event_id
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Event, iso

HEALTHY = [10.0] * 8
# Raised at the third window, worse at the sixth, then flat until it is over.
STORY = [*HEALTHY, 11.5, 12.5, 13.5, 14.0, 14.5, 19.0, *[19.0] * 8]


def window(
    second: int,
    score: float | None,
    deviation: tuple[float, ...] = (3.0, 1.0),
    coverage: float = 1.0,
) -> Judged:
    return Judged(
        device="c-1",
        start_ns=START + (second - 4) * SECOND,
        end_ns=START + second * SECOND,
        coverage=coverage,
        warm=True,
        score=score,
        threshold=2.0,
        deviation=np.array(deviation, np.float32),
        observed=np.array([11.0, 71.23456], np.float32),
        expected=np.array([10.0, 70.0], np.float32),
    )


def tell(*scores: float | None, **options: Any) -> list[Event]:
    """The events of a window a second with these scores, threshold 2."""
    alarm = Alarm("c-1", bundle(), config().alarms, "north/gw")
    found = []
    for second, score in enumerate(scores):
        event = alarm.judge(window(second, score, **options), START + (second + 1) * SECOND)
        found += [event] if event else []
    return found


def test_an_alarm_is_raised_grows_worse_and_ends() -> None:
    new, worse, end = tell(1.0, 3.0, 3.0, 4.0, 3.0, 8.0, 3.0, 1.0, 1.0)
    assert [(e.type, e.seq, e.state, e.severity) for e in (new, worse, end)] == [
        ("new", 1, "ACTIVE_UNACK", "warning"),
        ("update", 2, "ACTIVE_UNACK", "critical"),
        ("end", 3, "CLEARED_UNACK", "critical"),
    ]
    assert new.event_id == worse.event_id == end.event_id
    assert [e.peak_score for e in (new, worse, end)] == [4.0, 8.0, 8.0]
    assert {e.start_ts for e in (new, worse, end)} == {iso(START + SECOND)}
    assert {e.detect_ts for e in (new, worse, end)} == {iso(START + 3 * SECOND)}
    assert (new.end_ts, worse.end_ts, end.end_ts) == (None, None, iso(START + 7 * SECOND))
    assert new.ts == iso(START + 3 * SECOND)
    assert new.ts_ms == (START + 3 * SECOND) // 10**6
    assert new.publish_ts == iso(START + 4 * SECOND)


def test_the_next_alarm_has_another_id_and_counts_anew() -> None:
    events = tell(*([3.0] * 3 + [1.0] * 2) * 2)
    assert [(e.type, e.seq) for e in events] == [("new", 1), ("end", 2)] * 2
    assert len({e.event_id for e in events}) == 2


def test_a_window_without_a_score_changes_nothing() -> None:
    assert [e.type for e in tell(3.0, None, 3.0, None, None, 3.0)] == ["new"]
    assert tell(None, None, None) == []


def test_the_sentence_names_the_signal_its_value_and_its_share() -> None:
    [new] = tell(3.0, 3.0, 3.0)
    assert new.message == (
        "c-1: flow is 11 m3/h where 10 m3/h is expected (75% of the deviation, then temp), "
        "since 2023-11-14 22:13:20 UTC"
    )
    [new] = tell(3.0, 3.0, 3.0, deviation=(-1.0, 4.0))
    assert new.message == (
        "c-1: temp is 71.23 where 70 is expected (100% of the deviation), "
        "since 2023-11-14 22:13:20 UTC"
    )


def test_the_sentence_of_an_end_says_how_long_and_what_it_was() -> None:
    end = tell(3.0, 3.0, 3.0, *[3.0] * 57, 1.0, 1.0)[-1]
    assert end.message == "c-1: back to normal after 60 s; it was flow and temp"
    end = tell(*[3.0] * 150, 1.0, 1.0)[-1]
    assert end.message.startswith("c-1: back to normal after 2 min;")
    end = tell(*[3.0] * 7_500, 1.0, 1.0)[-1]
    assert end.message.startswith("c-1: back to normal after 2 h 5 min;")


def test_an_alarm_that_no_signal_explains_says_so() -> None:
    [new] = tell(3.0, 3.0, 3.0, deviation=(-1.0, 0.0))
    assert new.contributors == []
    assert "unusual behaviour of all signals together" in new.message
    end = tell(3.0, 3.0, 3.0, 1.0, 1.0, deviation=(-1.0, 0.0))[-1]
    assert end.message == "c-1: back to normal after 3 s"


def test_growing_worse_is_told() -> None:
    worse = tell(3.0, 3.0, 3.0, 9.0)[-1]
    assert " and it grew worse, since 2023-11-14 22:13:20 UTC" in worse.message


def test_shares_sum_to_one_and_the_largest_comes_first() -> None:
    [new] = tell(3.0, 3.0, 3.0, deviation=(1.0, 2.0))
    assert [(c.signal, c.share) for c in new.contributors] == [("temp", 0.667), ("flow", 0.333)]
    assert sum(c.share for c in new.contributors) == pytest.approx(1.0)
    assert new.contributors[0].value == 71.2346  # six digits


def test_a_part_that_explains_nothing_is_left_out() -> None:
    [new] = tell(3.0, 3.0, 3.0, deviation=(96.0, 4.0))
    assert [(c.signal, c.share) for c in new.contributors] == [("flow", 0.96)]


def test_a_window_with_holes_is_of_uncertain_quality() -> None:
    assert tell(3.0, 3.0, 3.0)[0].quality == "good"
    assert tell(3.0, 3.0, 3.0, coverage=0.9)[0].quality == "uncertain"


def test_the_state_follows() -> None:
    alarm = Alarm("c-1", bundle(), config().alarms, "north/gw")
    assert (alarm.state.state, alarm.state.event_id) == ("NORMAL", None)
    for second in range(3):
        event = alarm.judge(window(second, 3.0), START)
    assert event is not None
    assert (alarm.state.state, alarm.state.severity) == ("ACTIVE_UNACK", "warning")
    assert (alarm.state.event_id, alarm.state.since) == (event.event_id, event.start_ts)
    for second in range(3, 5):
        event = alarm.judge(window(second, 1.0), START)
    assert event is not None
    assert (alarm.state.state, alarm.state.severity) == ("NORMAL", None)
    assert (alarm.state.since, alarm.state.message) == (event.end_ts, event.message)


def test_an_id_is_short_plain_and_of_all_its_parts() -> None:
    ids = {event_id("a", "b", 1), event_id("a", "b", 2), event_id("ab", "", 1), event_id("a", "b1")}
    assert len(ids) == 4
    assert event_id("a", "b", 1) == event_id("a", "b", 1)
    for one in ids:
        assert len(one) == 26
        assert one.isalnum()
        assert one == one.lower()


def events_in_batches(size: int) -> list[Any]:
    core, sent = fresh_core(), []
    messages = [message(s, {"flow": flow, "temp": 10.0}) for s, flow in enumerate(STORY)]
    for start in range(0, len(messages), size):
        sent += core.receive(messages[start : start + size], START + 60 * SECOND)
    return of(sent + core.tick(START + 99 * SECOND), "event")


@pytest.mark.parametrize("size", [2, 3, 7, 99])
def test_events_do_not_depend_on_how_messages_come_together(size: int) -> None:
    def without_publish_time(events: list[Any]) -> list[Any]:
        return [event | {"publish_ts": ""} for event in events]

    one = events_in_batches(1)
    assert [event["type"] for event in one] == ["new", "update", "end"]
    assert without_publish_time(events_in_batches(size)) == without_publish_time(one)


def test_an_agent_that_starts_again_gives_the_same_event_the_same_id() -> None:
    first = feed(fresh_core(), STORY)
    again = feed(fresh_core(), STORY[4:], start=4)  # it missed some healthy time
    assert [event["event_id"] for event in again] == [event["event_id"] for event in first]


@pytest.mark.parametrize(
    ("t_ns", "text"),
    [
        (START + 5_678_901, "2023-11-14T22:13:20.005Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (-1_000_001, "1969-12-31T23:59:59.998Z"),
        (-(2**62), "1823-11-12T00:06:21.572Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854Z"),
    ],
)
def test_times_are_iso_in_any_century(t_ns: int, text: str) -> None:
    assert iso(t_ns) == text
