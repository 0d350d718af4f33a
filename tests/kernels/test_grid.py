from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_kernels import (
    ACCEPTED,
    CROWDED,
    DUPLICATE,
    FUTURE,
    LATE,
    RESTARTED,
    Grid,
    Readings,
    end_hold,
    expire,
    forget_device,
    grid_state,
    ingest,
    new_due,
    new_grid,
    restore_grid,
    roomy,
    samples,
)

WORDS = {
    ACCEPTED: "accepted",
    CROWDED: "crowded",
    LATE: "late",
    DUPLICATE: "duplicate",
    FUTURE: "future",
    RESTARTED: "restarted",
}
FAR = 10**6  # future enough for any reading
Reading = tuple[int, int, int, float]  # device, signal, t_ns, value
Window = naive.GridWindow
HOW = ("last", "mean", "min", "max")


@dataclass(frozen=True)
class Shape:
    """The sizes of a small grid."""

    devices: int = 1
    signals: int = 1
    window: int = 3
    period: int = 10
    lateness: int = 0
    max_gap: int = 20
    hop: int = 1
    how: tuple[str, ...] = ()

    @property
    def fill(self) -> list[list[float]]:
        return [[-float(1 + d + 10 * c) for c in range(self.signals)] for d in range(self.devices)]

    def grid(self) -> Grid:
        return new_grid(
            np.array(self.fill, np.float32),
            window=self.window,
            period=self.period,
            lateness=np.full(self.devices, self.lateness),
            max_gap=np.full(self.devices, self.max_gap),
            hop=self.hop,
            how=np.array([HOW.index(how) for how in self.how], np.uint8) if self.how else None,
        )

    def naive(self) -> list[naive.GridDevice]:
        sizes = (self.signals, self.window, self.period, self.lateness, self.max_gap, self.hop)
        return [naive.GridDevice(*sizes, fill=tuple(fill), how=self.how) for fill in self.fill]


@dataclass
class Run:
    """A grid at work, with all that came of it."""

    shape: Shape
    room: int = 2
    outcomes: list[str] = field(default_factory=list)
    windows: dict[int, list[Window]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grid = self.shape.grid()
        self.due = new_due(self.grid, self.room)

    def take(
        self,
        readings: Iterable[Reading],
        arrived: int = 0,
        max_future: int = FAR,
        uncertain: Sequence[bool] = (),
    ) -> "Run":
        device, signal, t_ns, value = list(zip(*readings, strict=True)) or [()] * 4
        block = Readings(
            np.array(device, np.int64),
            np.array(signal, np.int64),
            np.array(t_ns, np.int64),
            np.array(value, np.float32),
        )
        return self.place(block, arrived, max_future, uncertain)

    def place(
        self,
        block: Readings,
        arrived: int = 0,
        max_future: int = FAR,
        uncertain: Sequence[bool] = (),
    ) -> "Run":
        outcome = np.full(block.device.size, 99, np.uint8)
        self.grid = roomy(self.grid, outcome.size)
        at = 0
        while at < outcome.size:
            at, count = ingest(
                self.grid,
                block,
                outcome,
                self.due,
                start=at,
                arrived=arrived,
                max_future=max_future,
                uncertain=np.array(uncertain, np.bool_),
            )
            self._collect(count)
        self.outcomes += [WORDS[code] for code in outcome.tolist()]
        return self

    def expire(self, now: int) -> "Run":
        done = False
        while not done:
            done, count = expire(self.grid, self.due, now=now)
            self._collect(count)
        return self

    def slots(self, device: int = 0) -> list[int]:
        return [window[0] for window in self.windows.get(device, [])]

    def _collect(self, count: int) -> None:
        for i in range(count):
            self.windows.setdefault(int(self.due.device[i]), []).append(
                (
                    int(self.due.slot[i]),
                    self.due.window[i].tolist(),
                    bool(self.due.warm[i]),
                    float(self.due.coverage[i]),
                )
            )


def series(*times: int, device: int = 0, signal: int = 0) -> list[Reading]:
    """A reading at each time, with the time as its value."""
    return [(device, signal, t, float(t)) for t in times]


def rounded(windows: list[Window]) -> list[Window]:
    return [
        (slot, np.array(values, np.float32).tolist(), warm, round(coverage, 5))
        for slot, values, warm, coverage in windows
    ]


shapes = st.builds(
    Shape,
    devices=st.integers(1, 2),
    signals=st.just(2),
    how=st.just(()) | st.tuples(*[st.sampled_from(HOW)] * 2),
    window=st.integers(1, 4),
    period=st.sampled_from([1, 3, 10]),
    lateness=st.integers(0, 45),
    max_gap=st.integers(0, 35),
    hop=st.integers(1, 6),
)


@st.composite
def life(draw: st.DrawFn) -> tuple[Shape, list[tuple[str, Any]]]:
    """Blocks of readings with jumps to and fro, and moments at which time is told."""
    shape = draw(shapes)
    now = draw(st.integers(-100, 100))
    steps: list[tuple[str, Any]] = []
    reading = st.tuples(
        st.integers(0, shape.devices - 1),
        st.integers(0, shape.signals - 1),
        st.one_of(st.integers(-60, 30), st.integers(-8, 2)),
        st.integers(0, 9).map(float),
    )
    for _ in range(draw(st.integers(1, 8))):
        now += draw(st.one_of(st.integers(0, 12), st.integers(0, 200)))
        verb = draw(st.sampled_from(["take", "take", "expire", "end"]))
        if verb == "take":
            block = draw(st.lists(reading, max_size=6))
            doubts = draw(st.sampled_from([(), [draw(st.booleans()) for _ in block]]))
            steps.append((verb, (now, [(d, c, now + t, v) for d, c, t, v in block], doubts)))
        elif verb == "end":
            steps.append((verb, (draw(st.integers(0, shape.devices - 1)), draw(st.integers(0, 1)))))
        else:
            steps.append(("expire", now))
    return shape, steps


@settings(max_examples=300, deadline=None)
@given(life())
def test_agrees_with_the_definition(lived: tuple[Shape, list[tuple[str, Any]]]) -> None:
    shape, steps = lived
    run, devices = Run(shape), shape.naive()
    outcomes = []
    ended = set()
    for verb, what in steps:
        if verb == "expire":
            run.expire(what)
            for device in devices:
                device.expire(what)
        elif verb == "end" and what not in ended:  # the definition knows of one end each
            ended.add(what)
            end_hold(run.grid, what[0], np.array(what[1:]))
            devices[what[0]].end(what[1])
        elif verb == "take":
            now, readings, doubts = what
            run.take(readings, now, max_future=20, uncertain=doubts)
            outcomes += [
                devices[d].take(c, t, v, now, 20, uncertain=doubt)
                for (d, c, t, v), doubt in zip(
                    readings, doubts or [False] * len(readings), strict=True
                )
            ]
    assert run.outcomes == outcomes
    for d, device in enumerate(devices):
        want = device.due()
        assert rounded(run.windows.get(d, [])) == rounded(want)


@settings(deadline=None)
@given(life(), st.integers(1, 7), st.integers(1, 9))
def test_blocks_and_rooms_of_any_size_give_the_same_windows(
    lived: tuple[Shape, list[tuple[str, Any]]], size: int, room: int
) -> None:
    shape, steps = lived
    whole, cut = Run(shape, room=1000), Run(shape, room)
    for verb, what in steps:
        if verb == "expire":
            whole.expire(what)
            cut.expire(what)
        elif verb == "end":
            for one in (whole, cut):
                end_hold(one.grid, what[0], np.array(what[1:]))
        else:
            now, readings, _ = what
            whole.take(readings, now)
            for start in range(0, len(readings), size):
                cut.take(readings[start : start + size], now)
    assert whole.windows == cut.windows
    assert whole.outcomes == cut.outcomes


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[Shape, list[Reading], list[Reading]]:
    """The same readings in order of time, and as they may arrive within the lateness."""
    shape = draw(shapes)
    steps = draw(st.lists(st.one_of(st.integers(0, 4), st.integers(0, 90)), min_size=1, max_size=9))
    times = np.cumsum(steps).tolist()
    signal = st.integers(0, shape.signals - 1)
    ordered = [(0, draw(signal), t, i / 3) for i, t in enumerate(dict.fromkeys(times))]
    delay = {t: draw(st.integers(0, shape.lateness)) for _, _, t, _ in ordered}
    return shape, ordered, sorted(ordered, key=lambda one: one[2] + delay[one[2]])


@settings(max_examples=300, deadline=None)
@given(shuffled())
@example(  # the order decided whether the gap before the two last ones was a long one
    (
        Shape(window=3, period=1, lateness=10, max_gap=1),
        series(0, 14, 22, 60),
        series(0, 22, 14, 60),
    )
)
def test_the_order_of_arrival_within_the_lateness_changes_nothing(
    case: tuple[Shape, list[Reading], list[Reading]],
) -> None:
    shape, ordered, arriving = case
    runs = [Run(shape).take(readings).expire(10**6) for readings in (ordered, arriving)]
    assert runs[1].outcomes == ["accepted"] * len(arriving)
    assert runs[0].windows == runs[1].windows


@st.composite
def lives_of_blocks(draw: st.DrawFn) -> tuple[Shape, list[tuple[Any, ...]]]:
    """Blocks of one channel or two that overlap, repeat, lag and leave gaps."""
    shape = draw(shapes)
    t, blocks = draw(st.integers(-50, 50)), []
    for _ in range(draw(st.integers(1, 5))):
        t += draw(st.one_of(st.integers(-40, 40), st.integers(0, 400)))
        device = draw(st.integers(0, shape.devices - 1))
        signals = draw(st.sampled_from([(0,), (1,), (0, 1), (1, 0)]))
        n = draw(st.integers(0, 9))
        step = draw(st.sampled_from([0.4, 1.0, 2.5, 10.0, 30.0]))
        blocks.append((device, signals, t, step, n))
    return shape, blocks


@settings(max_examples=200, deadline=None)
@given(lives_of_blocks(), st.integers(1, 5))
def test_a_block_is_its_samples_one_by_one(
    case: tuple[Shape, list[tuple[Any, ...]]], room: int
) -> None:
    shape, blocks = case
    whole, single = Run(shape, room), Run(shape)
    for device, signals, t, step, n in blocks:
        values = np.arange(n * len(signals), dtype=np.float32).reshape(n, len(signals)) + t
        whole.place(samples(device, np.array(signals), t, step, values), t + 20, 60)
        readings = [
            (device, c, t + round(i * step), float(values[i, j]))
            for i in range(n)
            for j, c in enumerate(signals)
        ]
        single.take(readings, t + 20, 60)
    assert whole.outcomes == single.outcomes
    assert whole.expire(10**6).windows == single.expire(10**6).windows


@settings(max_examples=300, deadline=None)
@given(lives_of_blocks())
@example(  # the definition took a window that a pause had begun for none
    (
        Shape(signals=2, window=4, period=3, max_gap=0, hop=5),
        [(0, (0,), 0, 10.0, 6)],
    )
)
def test_windows_of_blocks_agree_with_the_definition(
    case: tuple[Shape, list[tuple[Any, ...]]],
) -> None:
    shape, blocks = case
    run, devices = Run(shape), shape.naive()
    for device, signals, t, step, n in blocks:
        values = np.arange(n * len(signals), dtype=np.float32).reshape(n, len(signals)) + t
        run.place(samples(device, np.array(signals), t, step, values), 0, FAR)
        for i in range(n):
            for j, c in enumerate(signals):
                devices[device].take(c, t + round(i * step), float(values[i, j]), 0, FAR)
    for d, device in enumerate(devices):
        assert rounded(run.windows.get(d, [])) == rounded(device.due())


@st.composite
def logged(draw: st.DrawFn) -> tuple[Shape, list[tuple[int, int]]]:
    """Snapshots of just a window, with pauses longer than a value is held: start, slots off."""
    window = draw(st.integers(2, 8))
    hold = draw(st.integers(0, window - 2))  # slots; less than a window, or one would be held
    lateness = draw(st.sampled_from([0, 10, 35]))
    shape = Shape(window=window, hop=window, max_gap=10 * hold, lateness=lateness)
    pauses = st.integers(hold + 1, 30) | st.integers(0, 10**9).map(lambda n: n + hold + 1)
    starts = [draw(st.integers(-(10**12), 10**12))]
    for pause in draw(st.lists(pauses, max_size=6)):
        starts.append(starts[-1] + window + pause)
    return shape, [(10 * start, draw(st.integers(0, 9))) for start in starts]


@settings(max_examples=200, deadline=None)
@given(logged(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_each_snapshot_is_one_whole_window_whenever_it_starts(
    case: tuple[Shape, list[tuple[int, int]]], random: Any, room: int
) -> None:
    shape, starts = case
    wanted, run = [], Run(shape, room)
    for number, (start, offset) in enumerate(starts):
        times = [start + offset + 10 * i for i in range(shape.window)]
        values = [float(number * 100 + i) for i in range(shape.window)]
        wanted.append((start // 10 + shape.window - 1, [[value] for value in values], True, 1.0))
        readings = [(0, 0, t, value) for t, value in zip(times, values, strict=True)]
        # Within the lateness, in any order.
        readings.sort(key=lambda one: one[2] + random.randint(0, shape.lateness))
        run.take(readings, arrived=start + 10**6, max_future=10**15)
        run.grid = restore_grid(shape.grid(), grid_state(run.grid))
    run.expire(starts[-1][0] + 10**8)
    assert run.windows[0] == wanted


def test_windows_are_counted_from_where_the_history_begins() -> None:
    run = Run(Shape(window=5, hop=2)).take(series(*range(30, 150, 10)))
    assert [(slot, warm) for slot, _, warm, _ in run.windows[0]] == [
        (3, False),
        (5, False),
        (7, True),  # 3 + 5 - 1, the first full one
        (9, True),
        (11, True),
        (13, True),
    ]


def test_a_gap_in_the_midst_of_a_window_costs_coverage_and_not_the_count() -> None:
    seconds = [*range(1, 7), *range(9, 25)]
    run = Run(Shape(window=10, hop=10, max_gap=0)).take(series(*(10 * s for s in seconds)))
    assert [(slot, seen) for slot, *_, seen in run.windows[0]] == [
        (10, pytest.approx(0.8)),
        (20, 1.0),
    ]


def test_a_snapshot_cut_short_is_told_and_the_next_one_is_whole() -> None:
    cut, whole = range(3, 8), range(21, 31)
    run = Run(Shape(window=10, hop=10, max_gap=0)).take(series(*(10 * s for s in (*cut, *whole))))
    run.expire(10**6)
    assert [(slot, seen) for slot, *_, seen in run.windows[0]] == [(12, 0.5), (30, 1.0)]


def test_a_pause_in_which_values_are_held_is_a_window_like_any_other() -> None:
    run = Run(Shape(window=3, hop=3, max_gap=40)).take(series(10, 20, 30, 80, 90))
    assert [(slot, seen) for slot, *_, seen in run.windows[0]] == [(3, 1.0), (6, 1.0)]


def test_readings_that_no_window_adds_begin_none() -> None:
    slots = [*range(1, 6), *range(10, 15)]  # of the first five, two are behind the window
    run = Run(Shape(window=3, hop=10, max_gap=0)).take(series(*(10 * s for s in slots)))
    assert [(slot, seen) for slot, *_, seen in run.windows[0]] == [(3, 1.0), (12, 1.0)]


def test_overlapping_windows_begin_anew_with_each_snapshot() -> None:
    starts = (7, 1000, 5001)
    times = [10 * (start + i) for start in starts for i in range(8)]
    run = Run(Shape(window=4, hop=2, max_gap=0)).take(series(*times)).expire(10**6)
    whole = [slot for slot, _, warm, seen in run.windows[0] if warm and seen == 1]
    assert whole == [start + end for start in starts for end in (3, 5, 7)]


def test_a_state_kept_with_another_hop_does_not_stop_the_count() -> None:
    before = Run(Shape(hop=1)).take(series(*range(0, 100, 10)))
    after = Run(Shape(hop=3))
    after.grid = restore_grid(after.shape.grid(), grid_state(before.grid))
    assert after.take(series(*range(100, 210, 10))).slots() == [9, 12, 15, 18]


@settings(max_examples=200, deadline=None)
@given(life(), st.integers(0, 8))
def test_a_grid_restored_goes_on_as_if_nothing_had_been(
    lived: tuple[Shape, list[tuple[str, Any]]], cut: int
) -> None:
    shape, steps = lived
    run, other = Run(shape), Run(shape)
    for number, (verb, what) in enumerate(steps):
        if number == cut:
            other.grid = restore_grid(shape.grid(), grid_state(other.grid))
        for one in (run, other):
            if verb == "expire":
                one.expire(what)
            elif verb == "end":
                end_hold(one.grid, what[0], np.array(what[1:]))
            else:
                one.take(what[1], what[0], 20, what[2])
    assert run.outcomes == other.outcomes
    assert run.windows == other.windows


def test_a_state_of_another_grid_is_refused() -> None:
    state = grid_state(Shape(how=("mean",)).grid())
    for wrong in (Shape(window=9), Shape(signals=2), Shape(devices=2), Shape(lateness=90)):
        with pytest.raises(ValueError, match="this grid's"):
            restore_grid(wrong.grid(), state)
    grid = Shape(how=("mean",)).grid()
    for other in (Shape(how=("max",)), Shape(how=("mean",), period=9)):
        with pytest.raises(ValueError, match="this grid's"):
            restore_grid(other.grid(), state)
    absent: list[Any] = [None, state["held"].astype(np.float64), state["held"][0]]
    for value in absent:
        with pytest.raises(ValueError, match="no array held"):
            restore_grid(grid, state | {"held": value})
    broken: list[tuple[str, Any]] = [
        ("head", state["head"] + 8),
        ("free", np.array([7, 0])),
        ("kept_t", np.zeros(3, np.int64)),
    ]
    for name, links in broken:
        with pytest.raises(ValueError, match="hang together"):
            restore_grid(grid, state | {name: links})


def test_one_fast_clock_makes_no_other_device_late() -> None:
    run = Run(Shape(devices=2))
    run.take([*series(0, 10), *series(500_000, device=1), *series(20, 30), *series(40)])
    assert run.outcomes == ["accepted"] * 6
    assert run.slots() == [0, 1, 2, 3]


def test_a_window_holds_the_newest_slot_last() -> None:
    run = Run(Shape()).take(series(0, 10, 20, 30))
    assert run.windows[0][-1] == (2, [[0.0], [10.0], [20.0]], True, 1.0)


def test_the_newest_reading_of_a_slot_stands_whatever_came_first() -> None:
    run = Run(Shape(window=1, lateness=20)).take([*series(8, 3, 5), *series(50)])
    assert run.windows[0][0] == (0, [[8.0]], True, 1.0)


def test_of_two_readings_of_one_time_the_first_stands() -> None:
    run = Run(Shape(window=1)).take([(0, 0, 5, 1.0), (0, 0, 5, 2.0), (0, 0, 10, 3.0)])
    assert run.outcomes == ["accepted", "duplicate", "accepted"]
    assert run.windows[0] == [(0, [[1.0]], True, 1.0)]


@pytest.mark.parametrize(
    ("how", "value"), [("last", 2.0), ("mean", 4.0), ("min", 2.0), ("max", 7.0)]
)
def test_several_readings_of_a_slot_become_one(how: str, value: float) -> None:
    run = Run(Shape(window=1, how=(how,), lateness=20))
    run.take([(0, 0, 5, 3.0), (0, 0, 2, 7.0), (0, 0, 8, 2.0), (0, 0, 2, 7.0), (0, 0, 50, 0.0)])
    assert run.windows[0][0] == (0, [[value]], True, 1.0)
    assert run.outcomes[3] == ("accepted" if how == "last" else "duplicate")


def test_a_mean_does_not_depend_on_the_order_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    readings = [(0, 0, t, float(v)) for t, v in enumerate(rng.normal(0, 1e6, 100))]
    shape = Shape(period=100, window=1, lateness=100, how=("mean",))
    windows = []
    for _ in range(20):
        rng.shuffle(readings)
        windows.append(Run(shape).take(readings).expire(10**6).windows)
    assert all(window == windows[0] for window in windows)
    mean = np.float64(windows[0][0][0][1][0][0])
    assert mean == pytest.approx(np.mean([value for *_, value in readings]), rel=1e-6)


def test_a_slot_keeps_so_many_readings_for_a_mean_and_no_more() -> None:
    run = Run(Shape(period=10**5, window=1, how=("mean",))).take(series(*range(5000)))
    assert run.outcomes == ["accepted"] * 4096 + ["crowded"] * 904
    assert run.expire(10**7).windows[0] == [(0, [[4095 / 2]], True, 1.0)]


def test_kept_readings_are_given_back_when_their_slot_closes() -> None:
    run = Run(Shape(how=("mean",), lateness=5))
    for start in range(0, 10_000, 100):
        run.take(series(*range(start, start + 100)), arrived=start)
    assert run.grid.kept_t.size <= 256
    assert run.grid.free[1] >= run.grid.kept_t.size - 16


def test_an_uncertain_reading_is_used_and_counts_against_the_coverage() -> None:
    run = Run(Shape(window=1)).take(series(0, 10, 20, 30), uncertain=[False, True, False, False])
    assert [(values, seen) for _, values, _, seen in run.windows[0]] == [
        ([[0.0]], 1.0),
        ([[10.0]], 0.0),
        ([[20.0]], 1.0),
    ]


def test_what_has_said_that_it_is_gone_is_held_no_longer() -> None:
    run = Run(Shape(signals=2, window=1, max_gap=1000))
    run.take([*series(0, signal=1), *series(0, 10)])
    end_hold(run.grid, 0, np.array([1]))
    run.take(series(20, 30))
    run.take([*series(40, signal=1), *series(40, 50, 60)])
    assert [seen for *_, seen in run.windows[0]] == [1.0, 1.0, 0.5, 0.5, 1.0, 1.0]


def test_a_window_tells_how_old_and_how_still_each_signal_is() -> None:
    run = Run(Shape(signals=2, window=1, max_gap=25), room=100)
    run.take([(0, 0, t, 7.0) for t in range(0, 60, 10)])
    assert run.due.age[:5].tolist() == [[10, -1]] * 5
    assert run.due.still[:5].tolist() == [[0, 0], [10, 0], [20, 0], [30, 0], [40, 0]]
    run.take([(0, 0, t, 8.0) for t in (60, 70, 120, 130, 140)])  # a new value, then a gap
    assert run.due.still[:8, 0].tolist() == [50, 0, 10, 10, 10, 10, 10, 0]
    assert run.due.age[:8, 0].tolist() == [10, 10, 10, 20, 30, 40, 50, 10]


def test_a_clock_set_back_begins_afresh_after_a_window_of_late_readings() -> None:
    run = Run(Shape(window=3, max_gap=20))
    for t in (*range(1000, 1100, 10), *range(0, 100, 10)):
        run.take(series(t), arrived=2000 + t + 1100 * (t < 1000))
    assert run.outcomes[10:] == ["late"] * 3 + ["restarted"] + ["accepted"] * 6
    assert [(slot, warm) for slot, _, warm, _ in run.windows[0]][-3:] == [
        (6, True),
        (7, True),
        (8, True),
    ]
    assert run.windows[0][-6][2] is False


def test_a_backlog_that_comes_in_one_go_is_late_and_nothing_else() -> None:
    run = Run(Shape(window=3, max_gap=20)).take(series(*range(1000, 1100, 10)), arrived=2000)
    run.take(series(*range(0, 500, 10)), arrived=2001)
    assert run.outcomes[10:] == ["late"] * 50


def test_a_late_reading_changes_nothing() -> None:
    run = Run(Shape(lateness=10)).take(series(0, 10, 20, 30, 9, 40, 50))
    assert run.outcomes == [*["accepted"] * 4, "late", "accepted", "accepted"]
    assert run.windows == Run(Shape(lateness=10)).take(series(0, 10, 20, 30, 40, 50)).windows


def test_a_reading_from_the_future_is_refused_and_moves_no_clock() -> None:
    run = Run(Shape()).take(series(10, 21, 20), arrived=10, max_future=10)
    assert run.outcomes == ["accepted", "future", "accepted"]


def test_a_value_is_held_up_to_max_gap_and_no_longer() -> None:
    run = Run(Shape(signals=2, window=1, max_gap=20))
    run.take([*series(0, signal=1), *series(0, 10, 20, 30, 40)])
    assert [(slot, values[0][1], seen) for slot, values, _, seen in run.windows[0]] == [
        (0, 0.0, 1.0),
        (1, 0.0, 1.0),
        (2, 0.0, 1.0),
        (3, 0.0, 0.5),
    ]


def test_before_its_first_reading_a_signal_shows_the_fill_value() -> None:
    run = Run(Shape(signals=2, window=2)).take(series(0, 10, 20))
    assert run.windows[0][-1] == (1, [[0.0, -11.0], [10.0, -11.0]], True, 0.5)


def test_a_long_gap_is_leapt_and_the_device_warms_up_afresh() -> None:
    month = 30 * 86_400 * 10**9
    start = month // 10 * 10
    times = [0, 10, 20, *range(start, start + 50, 10)]
    run = Run(Shape(max_gap=10)).take(series(*times), arrived=start)
    gone = [slot for slot in run.slots() if 2 < slot < start // 10]
    assert gone == [3, 4, 5, 6, 7]  # held for one slot, unseen for a window, and one more
    after = [(warm, seen) for slot, _, warm, seen in run.windows[0] if slot >= start // 10]
    assert [warm for warm, _ in after] == [False, False, True, True]
    assert after[2][1] == 1.0


def test_a_complete_slot_closes_once_the_device_is_silent_for_its_lateness() -> None:
    run = Run(Shape(signals=2, window=1, lateness=7))
    run.take([(0, 0, 0, 1.0), (0, 1, 1, 2.0)], arrived=100)
    assert run.expire(106).slots() == []
    assert run.expire(107).slots() == [0]


def test_an_incomplete_slot_waits_for_the_clock_that_runs_on_in_the_silence() -> None:
    run = Run(Shape(signals=2, window=1, lateness=7)).take([(0, 0, 4, 1.0)], arrived=100)
    assert run.expire(112).slots() == []  # the device's clock: 4 + 12 = 16, less 7
    assert run.expire(113).slots() == [0]


def test_no_slot_without_a_reading_expires() -> None:
    run = Run(Shape(window=1)).take(series(0)).expire(10**9)
    assert run.slots() == [0]
    assert run.expire(10**12).slots() == [0]


def test_what_comes_for_an_expired_slot_is_late() -> None:
    run = Run(Shape(window=1, lateness=7)).take(series(0)).expire(10**6).take(series(1))
    assert run.outcomes == ["accepted", "late"]


@pytest.mark.parametrize("start", [-(2**62), -1_000_000_000_000, 2**62])
def test_any_century_gives_the_same_windows(start: int) -> None:
    start -= start % 10
    shape = Shape(lateness=15, hop=3)
    times = [0, 10, 35, 20, 60, 70, 300, 310, 320, 330, 340, 400]
    here = Run(shape).take(series(*times)).expire(10**6)
    there = Run(shape).take(
        [(0, 0, start + t, float(t)) for t in times], arrived=start, max_future=10**6
    )
    there.expire(start + 10**6)
    assert here.outcomes == there.outcomes
    moved = [(slot + start // 10, *rest) for slot, *rest in here.windows[0]]
    assert moved == there.windows[0]


def test_a_clock_that_begins_centuries_ago_leaves_nothing_present_today() -> None:
    ancient, today = -9 * 10**18, 17 * 10**17
    run = Run(Shape(signals=2, window=1))
    run.take([(0, 1, ancient, 7.0)], arrived=today)
    run.take([(0, 0, today + t, 1.0) for t in (0, 10, 20)], arrived=today)
    assert [seen for _, _, _, seen in run.windows[0][-2:]] == [0.5, 0.5]


def test_lateness_of_many_slots_keeps_them_all_open() -> None:
    run = Run(Shape(window=1, period=1, lateness=5_000))
    run.take(series(5_000, *range(4_999, 0, -1)))
    assert set(run.outcomes) == {"accepted"}
    assert run.expire(10**6).slots() == list(range(1, 5_001))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"values": np.zeros((2, 2), np.float32)}, "values must be"),
        ({"values": np.zeros(2, np.float32)}, "values must be"),
        ({"step": 0.0}, "leave time"),
        ({"step": -1.0}, "leave time"),
        ({"step": float("nan")}, "leave time"),
        ({"step": 1e30}, "leave time"),
        ({"t_ns": 2**62}, "leave time"),
        ({"t_ns": -(2**62)}, "leave time"),
    ],
)
def test_a_block_that_is_none_is_refused(wrong: dict[str, Any], complaint: str) -> None:
    block: dict[str, Any] = {"t_ns": 0, "step": 1.0, "values": np.zeros((2, 1), np.float32)}
    with pytest.raises(ValueError, match=complaint):
        samples(0, np.array([0]), **(block | wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 0},
        {"period": 0},
        {"hop": 0},
        {"lateness": -1},
        {"max_gap": -1},
    ],
)
def test_sizes_that_make_no_grid_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Shape(**wrong).grid()


def test_shapes_that_do_not_fit_are_refused() -> None:
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="fill must be"):
        new_grid(np.zeros((2, 1), np.float32), window=1, period=1, lateness=one, max_gap=one)
    with pytest.raises(ValueError, match="room must be positive"):
        new_due(Shape().grid(), 0)
    for how in (np.zeros(2, np.uint8), np.array([4], np.uint8)):
        with pytest.raises(ValueError, match="how must be"):
            new_grid(
                np.zeros((1, 1), np.float32),
                window=1, period=1, lateness=one, max_gap=one, how=how,
            )  # fmt: skip


@pytest.mark.parametrize(
    ("reading", "start", "complaint"),
    [
        ((1, 0, 0, 0.0), 0, "outside the grid"),
        ((-1, 0, 0, 0.0), 0, "outside the grid"),
        ((0, 1, 0, 0.0), 0, "outside the grid"),
        ((0, -1, 0, 0.0), 0, "outside the grid"),
        ((0, 0, 0, 0.0), 2, "start must be in"),
        ((0, 0, 0, 0.0), -1, "start must be in"),
    ],
)
def test_readings_outside_the_grid_are_refused(
    reading: Reading, start: int, complaint: str
) -> None:
    grid = Shape().grid()
    d, c, t, value = reading
    block = Readings(
        np.array([d]), np.array([c]), np.array([t]), value=np.array([value], np.float32)
    )
    due = new_due(grid, 1)
    with pytest.raises(ValueError, match=complaint):
        ingest(grid, block, np.zeros(1, np.uint8), due, start=start, arrived=0, max_future=0)
    assert (grid.stamp == grid.stamp.min()).all()


def test_columns_and_rooms_of_another_size_are_refused() -> None:
    grid = Shape().grid()
    zero = np.zeros(1, np.int64)
    block = Readings(zero, zero, zero, np.zeros(1, np.float32))
    other = new_due(Shape(window=9).grid(), 1)
    with pytest.raises(ValueError, match="one length"):
        ingest(
            grid,
            block,
            np.zeros(2, np.uint8),
            new_due(grid, 1),
            start=0,
            arrived=0,
            max_future=0,
        )
    with pytest.raises(ValueError, match="uncertain must have"):
        ingest(
            grid,
            block,
            np.zeros(1, np.uint8),
            new_due(grid, 1),
            start=0,
            arrived=0,
            max_future=0,
            uncertain=np.zeros(2, np.bool_),
        )
    with pytest.raises(ValueError, match="another grid"):
        ingest(grid, block, np.zeros(1, np.uint8), other, start=0, arrived=0, max_future=0)
    with pytest.raises(ValueError, match="another grid"):
        expire(grid, other, now=0)


@pytest.mark.parametrize("how", HOW)
def test_a_device_that_is_forgotten_is_as_in_a_new_grid_and_no_other_is(how: str) -> None:
    shape = Shape(devices=2, how=(how,), lateness=20)
    readings = [(d, 0, t, float(t)) for t in range(3, 90, 4) for d in (0, 1)]
    run, alone = Run(shape).take(readings), Run(shape).take([r for r in readings if r[0] == 1])
    forget_device(run.grid, 0, np.array(shape.fill[0], np.float32))
    lists = {"head", "kept_t", "kept_value", "kept_next", "free"}  # where readings lie is free
    found, wanted = grid_state(run.grid), grid_state(alone.grid)
    for name in wanted.keys() - lists:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    kept = run.grid.length.sum() if how != "last" else 0
    assert run.grid.free[1] == run.grid.kept_t.size - kept


def test_only_a_device_of_the_grid_can_be_forgotten() -> None:
    for device, size in ((1, 1), (-1, 1), (0, 2)):
        with pytest.raises(ValueError, match="outside the grid"):
            forget_device(Shape().grid(), device, np.zeros(size, np.float32))
