"""Each device's own time grid: readings into slots, closed slots into windows.

Time is cut into slots of one period; slot s covers [s * period, (s + 1) * period).
A device's slots stay open while a reading may still arrive for them and close in
order. How far a device has come is its own affair (newest timestamp minus lateness:
its watermark), so one fast clock cannot make the others late.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "EMPTY",
    "FUTURE",
    "LATE",
    "Due",
    "Grid",
    "Readings",
    "expire",
    "ingest",
    "new_due",
    "new_grid",
]

ACCEPTED, LATE, DUPLICATE, FUTURE = 0, 1, 2, 3
EMPTY = np.iinfo(np.int64).min  # no timestamp, no slot


class Grid(NamedTuple):
    """State of the grid of D devices with C signals; every time is in ns.

    K slots may be open at once and the newest W closed ones are kept.
    """

    value: NDArray[np.float32]  # (D, K, C) newest reading of each open cell
    stamp: NDArray[np.int64]  # (D, K, C) its timestamp, or EMPTY
    held: NDArray[np.float32]  # (D, C) last closed value; before the first, a fill value
    held_stamp: NDArray[np.int64]  # (D, C) its timestamp, or EMPTY
    ring: NDArray[np.float32]  # (D, W, C) closed slots, slot s at s % W
    present: NDArray[np.bool_]  # (D, W, C) False where the value is older than max_gap
    newest: NDArray[np.int64]  # (D,) newest timestamp
    arrived: NDArray[np.int64]  # (D,) arrival of the last reading
    opened: NDArray[np.int64]  # (D,) first open slot
    first: NDArray[np.int64]  # (D,) first closed slot with a reading since the last long gap
    filled: NDArray[np.int64]  # (D,) newest closed slot with a reading
    latest: NDArray[np.int64]  # (D,) newest slot with a reading
    lateness: NDArray[np.int64]  # (D,) how far readings may lag the newest
    max_gap: NDArray[np.int64]  # (D,) how long a value is held
    period: int
    hop: int  # a window is due at every slot s with (s + 1) % hop == 0


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


def new_grid(
    fill: NDArray[np.float32],
    *,
    window: int,
    period: int,
    lateness: NDArray[np.int64],
    max_gap: NDArray[np.int64],
    hop: int = 1,
) -> Grid:
    """An empty grid.

    Args:
        fill: What stands in a cell before its signal's first reading, shape (D, C).
        window: W, slots of a window, >= 1.
        period: Length of a slot, ns, >= 1.
        lateness: Per device, ns, >= 0, shape (D,).
        max_gap: Per device, ns, >= 0, shape (D,).
        hop: Slots between windows, >= 1.

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
    open_slots = int(lateness.max(initial=0)) // period + 2
    return Grid(
        value=np.zeros((devices, open_slots, signals), np.float32),
        stamp=np.full((devices, open_slots, signals), EMPTY),
        held=fill.astype(np.float32),
        held_stamp=np.full((devices, signals), EMPTY),
        ring=np.repeat(fill.astype(np.float32)[:, np.newaxis], window, axis=1),
        present=np.zeros((devices, window, signals), np.bool_),
        newest=np.full(devices, EMPTY),
        arrived=np.full(devices, EMPTY),
        opened=np.full(devices, EMPTY),
        first=np.full(devices, EMPTY),
        filled=np.full(devices, EMPTY),
        latest=np.full(devices, EMPTY),
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
    return Due(
        window=np.zeros((room, *grid.ring.shape[1:]), np.float32),
        device=np.zeros(room, np.int64),
        slot=np.zeros(room, np.int64),
        warm=np.zeros(room, np.bool_),
        coverage=np.zeros(room, np.float32),
    )


def ingest(
    grid: Grid,
    readings: Readings,
    outcome: NDArray[np.uint8],
    due: Due,
    *,
    start: int,
    arrived: int,
    max_future: int,
) -> tuple[int, int]:
    """Place readings from `start` on until all are placed or `due` is full.

    Of several readings in one cell the one with the newest timestamp stands; the same
    signal at the same time twice is a duplicate and the first one stands.

    Args:
        grid: Changed in place.
        readings: The whole block.
        outcome: What became of each reading (ACCEPTED, LATE, ...), shape (N,), written.
        due: Written.
        start: First reading not yet placed.
        arrived: When the block arrived, ns.
        max_future: A timestamp further than this ahead of `arrived` is refused, ns.

    Returns:
        The next reading to place (N when done) and the number of windows in `due`.

    Raises:
        ValueError: Columns differ in length, or an index is outside the grid.
    """
    n = readings.device.size
    if not readings.signal.size == readings.t_ns.size == readings.value.size == n == outcome.size:
        raise ValueError("columns of readings and outcome must have one length")
    if n and not (
        0 <= readings.device.min()
        and readings.device.max() < grid.ring.shape[0]
        and 0 <= readings.signal.min()
        and readings.signal.max() < grid.ring.shape[2]
    ):
        raise ValueError("a device or signal index is outside the grid")
    if not 0 <= start <= n:
        raise ValueError(f"start must be in [0, {n}], got {start}")
    if due.window.shape[1:] != grid.ring.shape[1:]:
        raise ValueError("due was made for another grid")
    done, count = _ingest(grid, readings, outcome, due, start, arrived, max_future)
    return int(done), int(count)


def expire(grid: Grid, due: Due, *, now: int) -> tuple[bool, int]:
    """Close slots that hold readings and wait for nothing more.

    A slot closes when every signal has reported in it and the device has been silent
    for its lateness, or when the device's clock, running on in the silence, passes the
    slot's end by its lateness. Slots without a reading are never closed here.

    Returns:
        Whether all such slots are closed (False: `due` is full, call again) and the
        number of windows in `due`.
    """
    if due.window.shape[1:] != grid.ring.shape[1:]:
        raise ValueError("due was made for another grid")
    done, count = _expire(grid, due, now)
    return bool(done), int(count)


@numba.njit(cache=True, nogil=True)
def _ingest(
    grid: Grid,
    readings: Readings,
    outcome: NDArray[np.uint8],
    due: Due,
    start: int,
    arrived: int,
    max_future: int,
) -> tuple[int, int]:
    period = grid.period
    open_slots = grid.stamp.shape[1]
    count = 0
    for i in range(start, readings.device.size):
        d = readings.device[i]
        c = readings.signal[i]
        t = readings.t_ns[i]
        if t > arrived + max_future:
            outcome[i] = FUTURE
            continue
        if grid.newest[d] == EMPTY:
            # Earlier readings may still arrive within the lateness, so that the order
            # of arrival does not decide where the device's history begins.
            grid.opened[d] = (t - grid.lateness[d]) // period
            grid.newest[d] = t
        grid.newest[d] = max(grid.newest[d], t)
        passed = (grid.newest[d] - grid.lateness[d]) // period
        while grid.opened[d] < passed:
            if count == due.device.size:
                return i, count  # the reading is placed on the next call
            count = _close(grid, d, passed, due, count)
        grid.arrived[d] = arrived
        slot = t // period
        if slot < grid.opened[d]:
            outcome[i] = LATE
            continue
        k = slot % open_slots
        stamp = grid.stamp[d, k, c]
        if stamp == t:
            outcome[i] = DUPLICATE
            continue
        outcome[i] = ACCEPTED
        if stamp < t:
            grid.stamp[d, k, c] = t
            grid.value[d, k, c] = readings.value[i]
        grid.latest[d] = max(grid.latest[d], slot)
    return readings.device.size, count


@numba.njit(cache=True, nogil=True)
def _expire(grid: Grid, due: Due, now: int) -> tuple[bool, int]:
    period = grid.period
    count = 0
    for d in range(grid.newest.size):
        if grid.newest[d] == EMPTY:
            continue
        silence = now - grid.arrived[d]
        passed = (grid.newest[d] + silence - grid.lateness[d]) // period
        while grid.opened[d] <= grid.latest[d]:
            waited = silence >= grid.lateness[d] and _complete(grid, d)
            if not waited and grid.opened[d] >= passed:
                break
            if count == due.device.size:
                return False, count
            count = _close(grid, d, grid.latest[d] + 1, due, count)
    return True, count


@numba.njit(cache=True, nogil=True)
def _complete(grid: Grid, d: int) -> bool:
    k = grid.opened[d] % grid.stamp.shape[1]
    for c in range(grid.stamp.shape[2]):
        if grid.stamp[d, k, c] == EMPTY:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _holds_a_reading(grid: Grid, d: int, k: int) -> bool:
    for c in range(grid.stamp.shape[2]):
        if grid.stamp[d, k, c] != EMPTY:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _close(grid: Grid, d: int, passed: int, due: Due, count: int) -> int:
    """Close the first open slot of device `d`; return the new number of due windows."""
    slot = grid.opened[d]
    window, signals = grid.ring.shape[1:]
    k = slot % grid.stamp.shape[1]
    # Only what has closed decides, or the order of arrival would: a reading in a slot
    # that is still open may come before or after the one that closes this slot.
    if _holds_a_reading(grid, d, k):
        grid.filled[d] = slot
        if grid.first[d] == EMPTY:
            grid.first[d] = slot
    elif (
        grid.filled[d] == EMPTY
        or slot > grid.filled[d] + grid.max_gap[d] // grid.period + 1 + window
    ):
        # Nothing is held any more and the ring shows only what is missing: leap to the
        # watermark instead of closing a month of empty slots, and start afresh there.
        grid.opened[d] = slot + 1 if grid.latest[d] > slot else max(slot + 1, passed)
        grid.first[d] = EMPTY
        return count
    w = slot % window
    for c in range(signals):
        if grid.stamp[d, k, c] != EMPTY:
            grid.held[d, c] = grid.value[d, k, c]
            grid.held_stamp[d, c] = grid.stamp[d, k, c]
            grid.stamp[d, k, c] = EMPTY
        grid.ring[d, w, c] = grid.held[d, c]
        since = grid.held_stamp[d, c]
        # Not slot * period - since, which overflows where a clock began centuries ago.
        grid.present[d, w, c] = since != EMPTY and slot * grid.period - grid.max_gap[d] <= since
    grid.opened[d] = slot + 1
    if grid.first[d] == EMPTY or (slot + 1) % grid.hop != 0:
        return count
    seen = 0
    for j in range(window):
        w = (slot + 1 + j) % window  # oldest first
        for c in range(signals):
            due.window[count, j, c] = grid.ring[d, w, c]
            seen += grid.present[d, w, c]
    due.device[count] = d
    due.slot[count] = slot
    due.warm[count] = slot - grid.first[d] + 1 >= window
    due.coverage[count] = seen / (window * signals)
    return count + 1
