"""Each device's own time grid: what it remembers, and how it begins.

Time is cut into slots of one period; slot s covers [s * period, (s + 1) * period).
A device's slots stay open while a reading may still arrive for them and close in
order. How far a device has come is its own affair (newest timestamp minus lateness:
its watermark), so one fast clock cannot make the others late. `placing` moves it on.

With a hop of 1 every closed slot ends a window. With a longer one, windows are counted
from where the device's history begins and not from an epoch, as a logger's snapshot of
just one window may start at any time:

* With a history from slot f on, windows fall due at f + window - 1 + k * hop: the one of
  k = 0 is the first full one, those before it (k < 0, at f at the earliest) are not warm.
* A window is begun once a reading has come in the slots that it alone will add: its
  newest hop, or all of it where that is shorter. If none is begun when a gap longer than
  max_gap ends, the count starts anew at the slot that ends it, as if that were f; the
  history goes on, and coverage tells what is missing. So snapshots are taken whole however
  short the pause between them, while a gap in the midst of a window costs coverage alone.
* Where windows do not overlap (hop >= window), one without a reading whose newest slot
  holds nothing any more is left out: a pause between snapshots is no window.

All of it is a matter of closed slots alone, so the order of arrival has no part in it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EMPTY",
    "LAST",
    "MAX",
    "MEAN",
    "MIN",
    "NEVER",
    "Due",
    "Grid",
    "Readings",
    "grid_state",
    "new_due",
    "new_grid",
    "restore_grid",
    "roomy",
]

EMPTY = np.iinfo(np.int64).min  # no timestamp, no slot
NEVER = -1  # an age without a beginning, ns
LAST, MEAN, MIN, MAX = 0, 1, 2, 3  # what stands for several readings in a slot
END = -1  # of a list of kept readings
KEPT = 1 << 22  # readings kept for a mean at most: 70 MB

_RULES = ("fill", "lateness", "max_gap")  # of the configuration, not of what happened
_SAME = ("how", "period")  # what a state is good for
_LISTS = ("kept_t", "kept_value", "kept_next", "free")  # as long as they came to be


class Grid(NamedTuple):
    """State of the grid of D devices with C signals; every time is in ns.

    K slots may be open at once and the newest W closed ones are kept. Of a signal whose
    slots are a mean, a least or a greatest value, every reading of an open slot is kept,
    newest first, in a list: so that neither repetition nor the order of arrival shows.
    """

    value: NDArray[np.float32]  # (D, K, C) newest reading of each open cell
    stamp: NDArray[np.int64]  # (D, K, C) its timestamp, or EMPTY
    doubt: NDArray[np.bool_]  # (D, K, C) it, or one of a mean's, is uncertain
    head: NDArray[np.int32]  # (D, K, C) first kept reading of the cell, or END; or empty
    length: NDArray[np.int32]  # (D, K, C) how many are kept; empty where nothing ever is
    held: NDArray[np.float32]  # (D, C) last closed value; before the first, `fill`
    held_stamp: NDArray[np.int64]  # (D, C) its timestamp, or EMPTY
    held_doubt: NDArray[np.bool_]  # (D, C) it is uncertain
    steady: NDArray[np.int64]  # (D, C) since when the value is the same, or EMPTY
    ended: NDArray[np.int64]  # (D, C) what was read until then is held no longer, or EMPTY
    ring: NDArray[np.float32]  # (D, W, C) closed slots, slot s at s % W
    present: NDArray[np.bool_]  # (D, W, C) False where the value is too old or uncertain
    newest: NDArray[np.int64]  # (D,) newest timestamp
    skew: NDArray[np.int64]  # (D,) how far it was ahead of its arrival
    arrived: NDArray[np.int64]  # (D,) arrival of the last reading
    opened: NDArray[np.int64]  # (D,) first open slot
    first: NDArray[np.int64]  # (D,) first closed slot with a reading since the last long gap
    upcoming: NDArray[np.int64]  # (D,) slot that ends the next window; unused without `first`
    filled: NDArray[np.int64]  # (D,) newest closed slot with a reading
    latest: NDArray[np.int64]  # (D,) newest slot with a reading
    behind: NDArray[np.int64]  # (D,) first of the late readings in a row, or EMPTY
    behind_arrived: NDArray[np.int64]  # (D,) when it arrived
    kept_t: NDArray[np.int64]  # (N,) timestamps of kept readings
    kept_value: NDArray[np.float32]  # (N,)
    kept_next: NDArray[np.int32]  # (N,) the one before it in time, or END
    free: NDArray[np.int64]  # (2,) first unused of the N, or END; how many are unused
    fill: NDArray[np.float32]  # (D, C) what stands before a signal's first reading
    how: NDArray[np.uint8]  # (C,) LAST, MEAN, MIN or MAX
    lateness: NDArray[np.int64]  # (D,) how far readings may lag the newest
    max_gap: NDArray[np.int64]  # (D,) how long a value is held
    period: int
    hop: int  # slots from window to window


class Readings(NamedTuple):
    """A block of N readings in order of arrival."""

    device: NDArray[np.int64]  # (N,) 0 <= device < D
    signal: NDArray[np.int64]  # (N,) 0 <= signal < C
    t_ns: NDArray[np.int64]  # (N,)
    value: NDArray[np.float32]  # (N,) finite


class Due(NamedTuple):
    """Room for M windows that fall due, in the order in which their last slots close."""

    window: NDArray[np.float32]  # (M, W, C) oldest slot first
    device: NDArray[np.int64]  # (M,)
    slot: NDArray[np.int64]  # (M,) the newest slot of the window
    warm: NDArray[np.bool_]  # (M,) False while the device's history is shorter than a window
    coverage: NDArray[np.float32]  # (M,) share of cells that are present, 0..1
    age: NDArray[np.int64]  # (M, C) from the last reading to the slot's end, ns, or NEVER
    still: NDArray[np.int64]  # (M, C) how long the value has been the same, ns


def new_grid(
    fill: NDArray[np.float32],
    *,
    window: int,
    period: int,
    lateness: NDArray[np.int64],
    max_gap: NDArray[np.int64],
    hop: int = 1,
    how: NDArray[np.uint8] | None = None,
) -> Grid:
    """An empty grid.

    Args:
        fill: What stands in a cell before its signal's first reading, shape (D, C).
        window: W, slots of a window, >= 1.
        period: Length of a slot, ns, >= 1.
        lateness: Per device, ns, >= 0, shape (D,).
        max_gap: Per device, ns, >= 0, shape (D,).
        hop: Slots between windows, >= 1.
        how: Per signal what stands for several readings in a slot, shape (C,): LAST
            (without `how`), MEAN, MIN or MAX.

    Raises:
        ValueError: A size is not positive or a shape does not fit.
    """
    if min(window, period, hop) < 1:
        raise ValueError("window, period and hop must be positive")
    if fill.ndim != 2 or lateness.shape != fill.shape[:1] or max_gap.shape != fill.shape[:1]:
        raise ValueError("fill must be (D, C), lateness and max_gap (D,)")
    if fill.size and (min(lateness.min(), max_gap.min()) < 0):
        raise ValueError("lateness and max_gap must not be negative")
    devices, signals = fill.shape
    if how is None:
        how = np.full(signals, LAST, np.uint8)
    if how.shape != (signals,) or (how > MAX).any():
        raise ValueError("how must be (C,), of LAST, MEAN, MIN and MAX")
    open_slots = int(lateness.max(initial=0)) // period + 2
    cells = (devices, open_slots, signals)
    lists = cells if how.any() else (0, 0, 0)
    return Grid(
        value=np.zeros(cells, np.float32),
        stamp=np.full(cells, EMPTY),
        doubt=np.zeros(cells, np.bool_),
        head=np.full(lists, END, np.int32),
        length=np.zeros(lists, np.int32),
        held=fill.astype(np.float32),
        held_stamp=np.full((devices, signals), EMPTY),
        held_doubt=np.zeros((devices, signals), np.bool_),
        steady=np.full((devices, signals), EMPTY),
        ended=np.full((devices, signals), EMPTY),
        ring=np.repeat(fill.astype(np.float32)[:, np.newaxis], window, axis=1),
        present=np.zeros((devices, window, signals), np.bool_),
        newest=np.full(devices, EMPTY),
        skew=np.zeros(devices, np.int64),
        arrived=np.full(devices, EMPTY),
        opened=np.full(devices, EMPTY),
        first=np.full(devices, EMPTY),
        upcoming=np.full(devices, EMPTY),
        filled=np.full(devices, EMPTY),
        latest=np.full(devices, EMPTY),
        behind=np.full(devices, EMPTY),
        behind_arrived=np.zeros(devices, np.int64),
        kept_t=np.zeros(0, np.int64),
        kept_value=np.zeros(0, np.float32),
        kept_next=np.zeros(0, np.int32),
        free=np.array([END, 0]),
        fill=fill.astype(np.float32),
        how=how.astype(np.uint8),
        lateness=lateness.astype(np.int64),
        max_gap=max_gap.astype(np.int64),
        period=period,
        hop=hop,
    )


def new_due(grid: Grid, room: int) -> Due:
    """Room for `room` windows of `grid`.

    Raises:
        ValueError: `room` is not positive.
    """
    if room < 1:
        raise ValueError(f"room must be positive, got {room}")
    signals = grid.ring.shape[2]
    return Due(
        window=np.zeros((room, *grid.ring.shape[1:]), np.float32),
        device=np.zeros(room, np.int64),
        slot=np.zeros(room, np.int64),
        warm=np.zeros(room, np.bool_),
        coverage=np.zeros(room, np.float32),
        age=np.zeros((room, signals), np.int64),
        still=np.zeros((room, signals), np.int64),
    )


def roomy(grid: Grid, readings: int) -> Grid:
    """`grid` with room to keep that many more readings, where it has to keep any.

    Beyond KEPT there is no more room, and readings are CROWDED out.
    """
    size, unused = grid.kept_t.size, int(grid.free[1])
    if unused >= readings or size >= KEPT or not grid.how.any():
        return grid
    more = min(max(size, readings - unused, 64), KEPT - size)
    chain = np.arange(size + 1, size + more + 1, dtype=np.int32)
    chain[-1] = grid.free[0]
    return grid._replace(
        kept_t=np.concatenate([grid.kept_t, np.zeros(more, np.int64)]),
        kept_value=np.concatenate([grid.kept_value, np.zeros(more, np.float32)]),
        kept_next=np.concatenate([grid.kept_next, chain]),
        free=np.array([size, unused + more]),
    )


def grid_state(grid: Grid) -> dict[str, NDArray[Any]]:
    """A copy of all that the readings left behind in `grid`, by name."""
    arrays = {
        name: array.copy()
        for name, array in grid._asdict().items()
        if isinstance(array, np.ndarray) and name not in _RULES
    }
    return arrays | {"period": np.array([grid.period])}


def restore_grid(grid: Grid, state: Mapping[str, object]) -> Grid:
    """`grid`, a new one, with what `grid_state` gave of one like it.

    Raises:
        ValueError: The state is of a grid of another shape, period or `how`.
    """
    arrays: dict[str, Any] = {}
    for name, own in grid_state(grid).items():
        kept = state.get(name)
        if not isinstance(kept, np.ndarray) or kept.dtype != own.dtype or kept.ndim != own.ndim:
            raise ValueError(f"no array {name} of {own.dtype} in {own.ndim} dimensions")
        if name not in _LISTS and kept.shape != own.shape:
            raise ValueError(f"{name} is {kept.shape}, this grid's {own.shape}")
        if name in _SAME and (kept != own).any():
            raise ValueError(f"{name} is {kept.tolist()}, this grid's {own.tolist()}")
        arrays[name] = np.ascontiguousarray(kept).copy()
    size = arrays["kept_t"].size
    lists = (arrays["head"], arrays["kept_next"], arrays["free"][:1])
    if not size == arrays["kept_value"].size == arrays["kept_next"].size <= KEPT or any(
        links.size and not END <= links.min() <= links.max() < max(size, END + 1) for links in lists
    ):
        raise ValueError("the kept readings do not hang together")
    return grid._replace(**arrays | {"period": grid.period})
