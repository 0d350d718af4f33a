"""Windows are counted from where a history begins."""

import pytest
from grids import Run, Shape, series

from edge_kernels import (
    grid_state,
    restore_grid,
)


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
