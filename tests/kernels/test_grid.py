from typing import Any

import numpy as np
import pytest
from grids import HOW, Reading, Run, Shape, series

from edge_kernels import (
    Readings,
    end_hold,
    expire,
    forget_device,
    grid_state,
    ingest,
    new_due,
    new_grid,
    restore_grid,
    samples,
)


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
    forget_device(run.grid, 0)
    lists = {"head", "kept_t", "kept_value", "kept_next", "free"}  # where readings lie is free
    found, wanted = grid_state(run.grid), grid_state(alone.grid)
    for name in wanted.keys() - lists:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    kept = run.grid.length.sum() if how != "last" else 0
    assert run.grid.free[1] == run.grid.kept_t.size - kept


def test_only_a_device_of_the_grid_can_be_forgotten() -> None:
    for device in (1, -1):
        with pytest.raises(ValueError, match=rf"device must be in \[0, 1\), got {device}"):
            forget_device(Shape().grid(), device)
