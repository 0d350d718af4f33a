import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from edge_anomaly.demo.board import Board, Seen
from edge_anomaly.demo.screen import (
    BAR,
    Counters,
    bar,
    line_text,
    screen,
    sparkline,
    summary_table,
)
from edge_anomaly.demo.summary import summarise
from edge_anomaly.plants import COMPRESSORS
from edge_anomaly.simulate import Label
from edge_anomaly.values import Event, ModelRef, Score, WindowSpan, iso

BASE = "edge-agent/v1/demo/gw"
MIN = 60.0
T0 = 1_704_067_200.0  # 2024-01-01
SPAN = WindowSpan(start=iso(0), end=iso(1), coverage=1.0)


def stamp(t_s: float) -> str:
    return iso(int((T0 + t_s) * 1e9))


def event(kind: str, t_s: float, *, seq: int = 1, name: str = "e1", **changes: object) -> Event:
    base = Event(
        type=kind,
        event_id=name,
        seq=seq,
        agent="demo/gw",
        device="c-1",
        detector="compressors",
        severity="warning",
        state="CLEARED_UNACK" if kind == "end" else "ACTIVE_UNACK",
        ts=stamp(t_s),
        ts_ms=int((T0 + t_s) * 1e3),
        start_ts=stamp(t_s - 2 * MIN),
        end_ts=stamp(t_s) if kind == "end" else None,
        detect_ts=stamp(t_s),
        publish_ts=stamp(t_s),
        score=1.5,
        threshold=1.0,
        peak_score=1.5,
        contributors=[],
        window=SPAN,
        quality="good",
        replayed=False,
        model=ModelRef(name="compressors", version="1", sha256="0" * 64),
        message="c-1 behaves unusually: filter_dp is higher than expected.",
    )
    return msgspec.structs.replace(base, **changes)


def score(device: str, t_s: float, value: float | None) -> Score:
    return Score(
        device=device,
        ts=stamp(t_s),
        ts_ms=int((T0 + t_s) * 1e3),
        score=value,
        threshold=2.0,
        warm=value is not None,
        coverage=1.0,
        window=SPAN,
    )


class Feeding:
    """A board and a short way to feed it."""

    def __init__(self) -> None:
        self.board = Board(BASE, ["c-1", "c-2"])

    def event(self, one: Event) -> None:
        self.board.take(f"{BASE}/event", msgspec.json.encode(one))

    def score(self, one: Score) -> None:
        self.board.take(f"{BASE}/device/{one.device}/score", msgspec.json.encode(one))

    def label(self, device: str, t_s: float, kind: str | None = None) -> None:
        label = Label(device=device, t=T0 + t_s, kind=kind, sentence=f"{device}: {kind}.")
        self.board.take(f"plant-labels/{device}", msgspec.json.encode(label))


def shown(board: Board, counters: Counters | None = None) -> str:
    console = Console(file=io.StringIO(), width=130, height=40, color_system=None)
    console.print(screen(board, counters or Counters(0, 1.0, 600.0), COMPRESSORS))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_shows_each_deviation_as_a_share_of_the_alarm_level() -> None:
    feed = Feeding()
    feed.score(score("c-1", 60, 1.0))
    feed.score(score("c-1", 120, 2.5))
    assert list(feed.board.machines["c-1"].recent) == [0.5, 1.25]
    assert feed.board.machines["c-2"].ratio is None
    text = shown(feed.board)
    assert "125%" in text
    assert "gathering" in text  # c-2
    assert "01 Jan 00:02" in text


def test_a_window_without_a_score_leaves_the_last_one() -> None:
    feed = Feeding()
    feed.score(score("c-1", 60, 1.0))
    feed.score(score("c-1", 120, None))
    assert feed.board.machines["c-1"].ratio == 0.5


def test_an_alarm_lives_from_its_first_event_to_its_last() -> None:
    feed = Feeding()
    feed.event(event("new", 600))
    machine = feed.board.machines["c-1"]
    assert machine.alarm is not None
    assert (machine.alarm.start_s, machine.alarm.end_s) == (T0 + 600, None)
    feed.event(event("update", 660, seq=2, severity="critical", detect_ts=stamp(600)))
    assert machine.severity == "critical"
    assert "▲ critical" in shown(feed.board)
    feed.event(event("end", 900, seq=3, detect_ts=stamp(600)))
    assert machine.alarm is None
    [alarm] = feed.board.alarms
    assert (alarm.start_s, alarm.end_s) == (T0 + 600, T0 + 900)
    assert [line.kind for line in feed.board.lines] == ["alarm", "worse", "clear"]


def test_a_repeated_delivery_counts_once() -> None:
    feed = Feeding()
    for _ in range(3):
        feed.event(event("new", 600))
        feed.event(event("end", 900, seq=2))
    feed.event(event("new", 2000, name="e2"))
    assert len(feed.board.alarms) == 2
    assert len(feed.board.lines) == feed.board.happened == 3


def test_a_fault_lives_from_label_to_label() -> None:
    feed = Feeding()
    feed.label("c-1", 0)
    feed.label("c-2", 0)
    assert not feed.board.faults
    feed.label("c-2", 300, "valve hunting")
    assert "valve hunting" in shown(feed.board)
    feed.label("c-2", 900)
    [fault] = feed.board.faults
    assert (fault.device, fault.start_s, fault.end_s) == ("c-2", T0 + 300, T0 + 900)
    assert feed.board.machines["c-2"].fault is None


def test_tells_whether_the_agent_is_there() -> None:
    feed = Feeding()
    assert feed.board.status == "starting"
    for state in ("online", "stopped", "offline"):
        feed.board.take(f"{BASE}/status", msgspec.json.encode({"state": state}))
        assert feed.board.status == state


def test_passes_over_what_it_does_not_know() -> None:
    feed = Feeding()
    feed.score(score("c-9", 60, 1.0))
    feed.event(event("new", 60, device="c-9"))
    feed.label("c-9", 60, "sensor stuck")
    feed.board.take(f"{BASE}/health", b"\x00")
    feed.board.take("homeassistant/x", b"\x00")
    board = feed.board
    assert (board.alarms, board.faults, board.time_s, list(board.lines)) == ([], [], None, [])


def test_refuses_a_payload_that_its_topic_does_not_promise() -> None:
    with pytest.raises(msgspec.DecodeError):
        Feeding().board.take(f"{BASE}/event", b"{}")


def test_counts_readings_that_the_agent_could_not_use() -> None:
    feed = Feeding()
    feed.board.take(f"{BASE}/error", msgspec.json.encode({"code": "late", "count": 3}))
    assert feed.board.refused == 3


LEAK = Seen("c-1", 100.0, 200.0, "primary seal leak")


@pytest.mark.parametrize(
    ("raised", "delay"),
    [
        (99.0, None),  # before it began
        (100.0, 0.0),
        (150.0, 50.0),
        (229.0, 129.0),  # the repair is still in the window
        (230.0, None),
    ],
)
def test_an_alarm_belongs_to_a_fault_from_its_start_until_shortly_after_its_end(
    raised: float, delay: float | None
) -> None:
    summary = summarise([LEAK], [Seen("c-1", raised)], grace_s=30)
    assert summary.findings[0].delay_s == delay
    assert summary.false_alarms == (delay is None)
    assert summary.alarmed == (delay is not None)


def test_an_alarm_of_another_machine_is_false() -> None:
    summary = summarise([LEAK], [Seen("c-2", 150.0)], grace_s=30)
    assert (summary.alarmed, summary.false_alarms) == (0, 1)


def test_the_first_alarm_tells_the_delay_and_later_ones_are_not_false() -> None:
    alarms = [Seen("c-1", 180.0), Seen("c-1", 130.0)]
    summary = summarise([LEAK], alarms, grace_s=30)
    assert summary.findings[0].delay_s == 30.0
    assert summary.false_alarms == 0


def test_a_fault_that_lasts_to_the_end_may_yet_be_alarmed() -> None:
    faults = [Seen("c-1", 100.0), Seen("c-2", 100.0), Seen("c-3", 0.0, 50.0)]
    summary = summarise(faults, [Seen("c-2", 1e6)], grace_s=30)
    assert [finding.young for finding in summary.findings] == [True, False, False]
    assert (summary.injected, summary.alarmed, summary.young) == (3, 1, 1)


def test_the_delay_is_the_median_of_those_alarmed() -> None:
    faults = [Seen(f"c-{n}", 0.0, 100.0) for n in range(4)]
    alarms = [Seen("c-0", 10.0), Seen("c-1", 20.0), Seen("c-2", 90.0)]
    assert summarise(faults, alarms, grace_s=0).delay_s == 20.0
    assert summarise(faults, [], grace_s=0).delay_s is None
    assert summarise([], [], grace_s=0).delay_s is None


spans = st.builds(
    Seen,
    st.sampled_from(["c-1", "c-2"]),
    st.floats(0, 1000),
    st.none() | st.floats(1000, 2000),
)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6), st.floats(0, 100))
def test_every_alarm_is_either_false_or_belongs_to_a_fault(
    faults: list[Seen], alarms: list[Seen], grace_s: float
) -> None:
    whole = summarise(faults, alarms, grace_s=grace_s)
    alone = [summarise(faults, [alarm], grace_s=grace_s).false_alarms for alarm in alarms]
    assert whole.false_alarms == sum(alone)
    assert whole.injected == len(faults)
    assert whole.alarmed + whole.young <= whole.injected


@pytest.mark.parametrize(
    ("ratio", "filled"), [(None, 0), (0.0, 0), (0.5, 7), (1.0, 14), (2.0, 28), (50.0, 28)]
)
def test_the_bar_marks_the_alarm_level_in_its_middle(ratio: float | None, filled: int) -> None:
    text = bar(ratio).plain
    assert len(text) == BAR
    assert sum(character in "━┿" for character in text) == filled
    assert text[BAR // 2] in "┿┊"


@given(st.lists(st.floats(0, 1e6), max_size=100))
def test_the_sparkline_keeps_its_width_and_its_order(ratios: list[float]) -> None:
    text = sparkline(ratios, width=20).plain
    assert len(text) == 20
    assert sparkline([*ratios, 0.0, 3.0], width=2).plain == "▁█"


def test_the_log_says_what_happened_in_the_events_own_words() -> None:
    feed = Feeding()
    feed.event(event("new", 600))
    assert line_text(feed.board.lines[0]).plain == (
        "01 Jan 00:10  ▲ ALARM  c-1 behaves unusually: filter_dp is higher than expected."
    )


def test_the_summary_gives_all_figures() -> None:
    faults = [
        Seen("c-1", T0, T0 + 6000, "filter clogging"),
        Seen("c-2", T0, T0 + 6000, "sensor stuck"),
        Seen("c-3", T0, None, "sensor drift"),
    ]
    alarms = [Seen("c-1", T0 + 600), Seen("c-4", T0 + 60)]
    console = Console(file=io.StringIO(), width=100, color_system=None)
    counters = Counters(readings=24_000, elapsed_s=60.0, speed=600.0)
    console.print(summary_table(summarise(faults, alarms, grace_s=0), counters))
    file = console.file
    assert isinstance(file, io.StringIO)
    lines = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert "c-1 filter clogging 01 Jan 00:00 10 min (1.0 s real)" in lines
    assert "c-2 sensor stuck 01 Jan 00:00 no alarm" in lines
    assert "c-3 sensor drift 01 Jan 00:00 none yet, still there" in lines
    assert "faults injected 3" in lines
    assert "faults alarmed 1 (1 more had only just begun)" in lines
    assert "false alarms 1" in lines
    assert "delay (median) 10 min (1.0 s real)" in lines
    assert "readings 24,000 published, 400 a second" in lines
