"""Whatever comes, in whatever order, the grid agrees with the definition in naive.py."""

from typing import Any

import numpy as np
from grids import FAR, Reading, Run, Shape, rounded, series, shapes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_kernels import (
    end_hold,
    grid_state,
    restore_grid,
    samples,
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
    back = 0  # how far the clocks of all devices have been set back
    for _ in range(draw(st.integers(1, 8))):
        back += draw(st.sampled_from([0, 0, 0, 0, 70]))
        now += draw(st.one_of(st.integers(0, 12), st.integers(0, 200)))
        verb = draw(st.sampled_from(["take", "take", "expire", "end"]))
        if verb == "take":
            block = draw(st.lists(reading, max_size=6))
            doubts = draw(st.sampled_from([(), [draw(st.booleans()) for _ in block]]))
            steps.append((verb, (now, [(d, c, now + t - back, v) for d, c, t, v in block], doubts)))
        elif verb == "end":
            steps.append((verb, (draw(st.integers(0, shape.devices - 1)), draw(st.integers(0, 1)))))
        else:
            steps.append(("expire", now))
    return shape, steps


@settings(max_examples=300, deadline=None)
@given(life())
@example(  # what a signal had before its device's clock was set back stood in the new history
    (
        Shape(signals=2, window=1, period=1, max_gap=0),
        [
            ("take", (0, [(0, 0, 0, 5.0)], ())),
            ("take", (0, [(0, 0, 2, 5.0), (0, 0, 0, 5.0)], ())),
            ("take", (2, [(0, 1, 1, 5.0), (0, 0, 2, 5.0)], ())),
        ],
    )
)
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
