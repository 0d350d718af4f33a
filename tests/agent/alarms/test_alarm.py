from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import SECOND, START, bundle, config, feed, fresh_core, message, of

from edge_anomaly.alarms.alarm import Alarm
from edge_anomaly.alarms.calendars import Span, Suppression, calendars_of
from edge_anomaly.alarms.findings import anomaly, anomaly_detector
from edge_anomaly.alarms.opened import event_id
from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Calendar, Chatter
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Event, iso

RULES = config().alarms
BUNDLE = bundle()
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


def fresh(**rules: Any) -> Alarm:
    """An alarm after three windows above 1 that ends after two below 0.8."""
    known = msgspec.structs.replace(RULES, **rules)
    return Alarm("c-1", anomaly_detector(BUNDLE, known), "north/gw")


def live(alarm: Alarm, *scores: float | None, start: int = 0, **options: Any) -> list[Event]:
    """The events of a window a second with these scores, threshold 2."""
    found = []
    for second, score in enumerate(scores, start):
        finding = anomaly(window(second, score, **options), BUNDLE.manifest.signals)
        if finding is not None:
            found += alarm.judge(finding, START + (second + 1) * SECOND)
    return found


def tell(*scores: float | None, **options: Any) -> list[Event]:
    return live(fresh(), *scores, **options)


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
    calm = fresh(chatter=Chatter(transitions=1000))
    events = live(calm, *([3.0] * 3 + [1.0] * 2) * 2)
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
    assert end.message == (
        "c-1: back to normal after 3 s; it was unusual behaviour of all signals together"
    )


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
    alarm = fresh()
    assert (alarm.state.state, alarm.state.event_id) == ("NORMAL", None)
    [event] = live(alarm, 3.0, 3.0, 3.0)
    assert (alarm.state.state, alarm.state.severity) == ("ACTIVE_UNACK", "warning")
    assert (alarm.state.event_id, alarm.state.since) == (event.event_id, event.start_ts)
    [event] = live(alarm, 1.0, 1.0, start=3)
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


HIGH, LOW = [3.0] * 3, [1.0] * 2


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.type, event.change, event.state) for event in events]


def test_an_alarm_that_is_seen_is_acknowledged_until_it_grows_worse() -> None:
    alarm = fresh()
    [new] = live(alarm, *HIGH)
    [seen] = alarm.acknowledge(START + 9 * SECOND)
    assert (seen.type, seen.seq, seen.state, seen.acknowledged) == ("update", 2, "ACTIVE_ACK", True)
    assert (seen.event_id, seen.contributors, seen.window) == (
        new.event_id,
        new.contributors,
        new.window,
    )
    assert seen.message.endswith("; acknowledged, since 2023-11-14 22:13:20 UTC")
    assert alarm.acknowledge(START + 9 * SECOND) == []  # it says nothing twice
    events = live(alarm, 9.0, 9.0, *LOW, start=3)
    assert told(events) == [
        ("update", "worse", "ACTIVE_UNACK"),
        ("end", "cleared", "CLEARED_UNACK"),
    ]
    assert alarm.state.state == "NORMAL"
    [late] = alarm.acknowledge(START + 60 * SECOND)  # the morning after
    assert told([late]) == [("update", "ack", "CLEARED_ACK")]
    assert late.seq == 5


def test_an_acknowledged_alarm_ends_as_such() -> None:
    alarm = fresh()
    live(alarm, *HIGH)
    alarm.acknowledge(START)
    [end] = live(alarm, *LOW, start=3)
    assert told([end]) == [("end", "cleared", "CLEARED_ACK")]
    assert alarm.acknowledge(START) == []


def test_a_latching_alarm_waits_for_somebody() -> None:
    alarm = fresh(latching=True)
    [new] = live(alarm, *HIGH)
    [latched] = live(alarm, *LOW, start=3)
    assert told([latched]) == [("update", "latched", "CLEARED_UNACK")]
    assert (latched.active, latched.end_ts) == (False, iso(START + 3 * SECOND))
    assert "waits to be acknowledged" in latched.message
    assert alarm.state.state == "CLEARED_UNACK"
    [again] = live(alarm, *HIGH, start=90)
    assert told([again]) == [("update", "raised", "ACTIVE_UNACK")]
    assert (again.event_id, again.end_ts) == (new.event_id, None)
    live(alarm, *LOW, start=93)
    [end] = alarm.acknowledge(START + 99 * SECOND)
    assert told([end]) == [("end", "ack", "CLEARED_ACK")]
    assert (end.end_ts, alarm.state.state) == (iso(START + 93 * SECOND), "NORMAL")


def test_an_alarm_grows_less_once_it_stays_below_its_level_and_the_deadband() -> None:
    alarm = fresh()  # critical from 3 on, down below 2.4
    events = live(alarm, 7.0, 7.0, 7.0, 4.9, 4.9, 4.7, 4.9, 4.7, 4.7, 4.7)
    assert [(event.change, event.severity) for event in events] == [
        ("raised", "critical"),
        ("better", "warning"),
    ]
    assert "grew less" in events[-1].message


def test_a_shelved_alarm_is_told_as_such_and_comes_back() -> None:
    alarm = fresh()
    assert alarm.shelve(START + 50 * SECOND, START) == []  # nothing is open
    assert alarm.state.state == "SHELVED"
    [new] = live(alarm, *HIGH)
    assert (new.type, new.state, new.active) == ("new", "SHELVED", True)
    assert new.shelved_until == iso(START + 50 * SECOND)
    [back] = alarm.unshelve(START + 50 * SECOND)
    assert told([back]) == [("update", "unshelved", "ACTIVE_UNACK")]
    assert alarm.unshelve(START) == []
    [away] = alarm.shelve(START + 99 * SECOND, START + 60 * SECOND)
    assert told([away]) == [("update", "shelved", "SHELVED")]


def test_planned_work_suppresses_what_is_still_scored() -> None:
    alarm = fresh()
    alarm.suppression.ask(Span(START + 2 * SECOND, START + 5 * SECOND, "new filter"))
    events = live(alarm, *[3.0] * 8)
    assert told(events) == [
        ("new", "raised", "SUPPRESSED"),
        ("update", "unsuppressed", "ACTIVE_UNACK"),
    ]
    assert [event.suppressed for event in events] == ["new filter", None]
    assert [event.ts_ms - START // 10**6 for event in events] == [3_000 - 1_000, 5_000]


def test_out_of_service_ends_what_is_open_and_judges_no_more() -> None:
    alarm = fresh()
    live(alarm, *HIGH)
    [end] = alarm.withdraw(START + 5 * SECOND)
    assert told([end]) == [("end", "withdrawn", "OUT_OF_SERVICE")]
    assert "taken out of service" in end.message
    assert live(alarm, *HIGH, start=3) == []
    alarm.reinstate()
    assert live(alarm, 3.0, 3.0, start=6) == []
    assert told(live(alarm, 3.0, start=8)) == [("new", "raised", "ACTIVE_UNACK")]


def test_an_alarm_asks_again_after_the_re_alarm_time_and_is_stale_once() -> None:
    alarm = fresh(realarm=4 * SECOND, stale=10 * SECOND)
    events = live(alarm, *[3.0] * 4)
    events += alarm.acknowledge(START + 3 * SECOND)
    events += live(alarm, *[3.0] * 12, start=4)
    assert [(event.change, event.ts_ms - START // 10**6) for event in events] == [
        ("raised", 2_000),
        ("ack", 3_000),
        ("again", 6_000),
        ("again", 10_000),
        ("stale", 12_000),
        ("again", 14_000),
    ]
    assert events[2].state == "ACTIVE_UNACK"


def test_an_alarm_that_comes_and_goes_stands_until_it_has_been_quiet() -> None:
    alarm = fresh()
    events = live(alarm, *(HIGH + LOW) * 20, *[1.0] * 70)
    assert told(events) == [
        ("new", "raised", "ACTIVE_UNACK"),
        ("end", "cleared", "CLEARED_UNACK"),
        ("new", "raised", "ACTIVE_UNACK"),
        ("end", "cleared", "CLEARED_UNACK"),
    ]
    assert [event.chattering for event in events] == [False, False, True, True]
    last = START + 98 * SECOND
    assert events[-1].end_ts == iso(last)
    assert events[-1].ts == iso(last + 60 * SECOND)


OPERATORS = st.sampled_from(["ack", "shelve", "unshelve", "out", "in", "suppress"])
STORIES = st.lists(
    st.one_of(st.sampled_from([0.5, 1.0, 1.7, 2.1, 3.0, 5.0, 9.0]), OPERATORS), max_size=80
)


def play(alarm: Alarm, story: list[float | str], start: int = 0) -> list[Event]:
    """A window or a deed a second."""
    events: list[Event] = []
    for second, deed in enumerate(story, start):
        now = START + second * SECOND
        if isinstance(deed, float):
            events += live(alarm, deed, start=second)
        elif deed == "ack":
            events += alarm.acknowledge(now)
        elif deed == "shelve":
            events += alarm.shelve(now + 5 * SECOND, now)
        elif deed == "unshelve":
            events += alarm.unshelve(now)
        elif deed == "out":
            events += alarm.withdraw(now)
        elif deed == "in":
            alarm.reinstate()
        else:
            alarm.suppression.ask(Span(now, now + 5 * SECOND, "work"))
    return events


@given(STORIES, st.booleans())
@settings(deadline=None)  # a busy machine is no failure
def test_whatever_happens_an_event_begins_once_counts_on_and_ends_once(
    story: list[float | str],
    latching: bool,  # noqa: FBT001 - hypothesis gives it by position
) -> None:
    events = play(fresh(latching=latching), story)
    by_id: dict[str, list[Event]] = {}
    for event in events:
        by_id.setdefault(event.event_id, []).append(event)
    for told_of in by_id.values():
        assert [event.seq for event in told_of] == list(range(1, len(told_of) + 1))
        types = [event.type for event in told_of]
        assert types[0] == "new"
        assert types.count("new") == 1
        assert types.count("end") <= 1
        if "end" in types:  # a late acknowledgement may follow, and nothing else
            assert types[types.index("end") + 1 :] in ([], ["update"])
        assert all(event.peak_score >= event.score for event in told_of[:1])
    for event in events:
        assert event.active == (event.end_ts is None or event.type == "new")


@given(STORIES, st.integers(0, 80), st.booleans())
@settings(deadline=None)
def test_a_restart_at_any_moment_changes_nothing(
    story: list[float | str],
    cut: int,
    latching: bool,  # noqa: FBT001 - likewise
) -> None:
    whole = play(fresh(latching=latching), story)
    before, after = fresh(latching=latching), fresh(latching=latching)
    events = play(before, story[:cut])
    after.restore(before.snapshot())
    after.suppression.asked = before.suppression.asked  # the annunciator's to keep
    assert events + play(after, story[cut:], start=len(story[:cut])) == whole


def test_a_snapshot_that_is_none_is_refused() -> None:
    alarm = fresh()
    live(alarm, *HIGH)
    good = alarm.snapshot()
    for flaw in ({}, {"life": "HAPPY"}, {"event": 7}, {"decision": {"colour": 1}}):
        with pytest.raises(StateError, match=r"alarm"):
            alarm.restore({**good, **flaw} if flaw else {})
    assert alarm.snapshot() == good


def test_a_calendar_of_the_config_suppresses() -> None:
    calendar = Calendar(name="night", devices=["c-*"], days=["tue"], from_="22:13", to=23 * 60)
    rules = msgspec.structs.replace(config().alarms, maintenance=[calendar])
    alarm = fresh()
    alarm.suppression = Suppression(calendars_of(rules, "c-1"))
    events = live(alarm, *[3.0] * 5)
    assert told(events) == [("new", "raised", "SUPPRESSED")]
