"""Readings into slots, closed slots into windows: what moves a `Grid` on."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.grid import EMPTY, END, LAST, MAX, MEAN, NEVER, Due, Grid, Readings

__all__ = [
    "ACCEPTED",
    "CROWDED",
    "DUPLICATE",
    "FUTURE",
    "LATE",
    "RESTARTED",
    "end_hold",
    "expire",
    "forget_device",
    "ingest",
    "samples",
]

ACCEPTED, LATE, DUPLICATE, FUTURE, CROWDED, RESTARTED = 0, 1, 2, 3, 4, 5
MOST = 4096  # readings of one slot that a mean keeps; what comes on top is crowded out


class _Lists(NamedTuple):
    """The kept readings of a grid, as `Grid` has them.

    A kernel that is handed None instead is compiled without all that looks after them: a
    gateway whose slots are all the last reading, which most are, waits less for its first start.
    """

    how: NDArray[np.uint8]
    head: NDArray[np.int32]
    length: NDArray[np.int32]
    t: NDArray[np.int64]
    value: NDArray[np.float32]
    following: NDArray[np.int32]
    free: NDArray[np.int64]


_NO_DOUBT = np.zeros(0, np.bool_)
_NO_OUTCOME = np.zeros(0, np.uint8)


def ingest(
    grid: Grid,
    readings: Readings,
    outcome: NDArray[np.uint8],
    due: Due,
    *,
    start: int,
    arrived: int,
    max_future: int,
    uncertain: NDArray[np.bool_] = _NO_DOUBT,
) -> tuple[int, int]:
    """Place readings from `start` on until all are placed or `due` is full.

    Of several readings in one cell the one with the newest timestamp stands, or their
    mean, least or greatest (`Grid.how`); the same signal at the same time twice is a
    duplicate and the first one stands. A device whose readings have all been late for a
    whole window, or `max_gap`, has had its clock set back: it begins afresh there.

    Args:
        grid: Changed in place; `roomy` for as many readings.
        readings: The whole block.
        outcome: What became of each reading (ACCEPTED, LATE, ...), shape (N,), written.
            RESTARTED is accepted, as the first of a clock set back.
        due: Written.
        start: First reading not yet placed.
        arrived: When the block arrived, ns.
        max_future: A timestamp further than this ahead of `arrived` is refused, ns.
        uncertain: Readings that count against the coverage, shape (N,); or none, shape (0,).

    Returns:
        The next reading to place (N when done) and the number of windows in `due`.

    Raises:
        ValueError: Columns differ in length, or an index is outside the grid.
    """
    n = readings.device.size
    if not readings.signal.size == readings.t_ns.size == readings.value.size == n == outcome.size:
        raise ValueError("columns of readings and outcome must have one length")
    if uncertain.size not in {0, n}:
        raise ValueError("uncertain must have the length of readings, or none")
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
    done, count = _move_on(
        grid, readings, outcome, due, start, arrived, max_future, uncertain, False, _lists(grid)
    )
    return int(done), int(count)


def samples(
    device: int,
    signals: NDArray[np.int64],
    t_ns: int,
    step: float,
    values: NDArray[np.float32],
) -> Readings:
    """A block of samples at a fixed rate as readings, all channels of a time together.

    Args:
        device: Row of the grid.
        signals: Column of each channel, shape (S,).
        t_ns: Time of the first sample.
        step: Between samples, ns, > 0; sample i is of t_ns + round(i * step).
        values: Shape (n, S), finite.

    Raises:
        ValueError: A shape does not fit, or the samples reach beyond what a time can be.
    """
    if values.ndim != 2 or values.shape[1:] != signals.shape:
        raise ValueError(f"values must be (n, {signals.size}), got {values.shape}")
    n, channels = values.shape
    if not (step > 0 and abs(t_ns) + step * n < 2.0**62):
        raise ValueError(f"{n} samples every {step} ns from {t_ns} on leave time")
    t = t_ns + np.rint(np.arange(n) * step).astype(np.int64)
    return Readings(
        device=np.full(n * channels, device),
        signal=np.tile(signals, n),
        t_ns=np.repeat(t, channels) if channels > 1 else t,
        value=np.ascontiguousarray(values, np.float32).ravel(),
    )


def end_hold(grid: Grid, device: int, signals: NDArray[np.int64]) -> None:
    """Hold no more what `device` has sent so far of `signals`: it has said that it is gone."""
    grid.ended[device, signals] = grid.newest[device]


def forget_device(grid: Grid, device: int) -> None:
    """Make the row of `device` what it was in a new grid.

    Raises:
        ValueError: The grid has no such row.
    """
    if not 0 <= device < grid.newest.size:
        raise ValueError(f"device must be in [0, {grid.newest.size}), got {device}")
    _begin_anew(grid, _lists(grid), device, 0, 0)
    grid.value[device] = 0
    grid.doubt[device] = False
    for times in (grid.newest, grid.arrived, grid.opened, grid.behind):
        times[device] = EMPTY
    grid.behind_arrived[device] = 0


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
    devices = np.arange(grid.newest.size)
    every = Readings(devices, devices, devices, np.zeros(0, np.float32))
    done, count = _move_on(grid, every, _NO_OUTCOME, due, 0, now, 0, _NO_DOUBT, True, _lists(grid))
    return done == devices.size, int(count)


def _lists(grid: Grid) -> _Lists | None:
    if not grid.head.size:
        return None
    return _Lists(
        grid.how,
        grid.head,
        grid.length,
        grid.kept_t,
        grid.kept_value,
        grid.kept_next,
        grid.free,
    )


# One kernel and one loop for both: every call of another function from within it would
# count references of all its arrays, at each reading anew, which is ten times slower.
@numba.njit(cache=True, nogil=True)
def _move_on(  # noqa: C901, PLR0912, PLR0915 - see above
    grid: Grid,
    readings: Readings,
    outcome: NDArray[np.uint8],
    due: Due,
    start: int,
    now: int,
    max_future: int,
    uncertain: NDArray[np.bool_],
    expiring: bool,
    lists: _Lists | None,
) -> tuple[int, int]:
    """Take readings that arrive `now`; or, `expiring`, let time pass for each device.

    Of readings that expire only the device is looked at.
    """
    value, stamp, doubt, how = grid.value, grid.stamp, grid.doubt, grid.how
    held, held_stamp, held_doubt = grid.held, grid.held_stamp, grid.held_doubt
    steady, ended, ring, present = grid.steady, grid.ended, grid.ring, grid.present
    newest, skew, arrived, opened = grid.newest, grid.skew, grid.arrived, grid.opened
    first, filled, latest, upcoming = grid.first, grid.filled, grid.latest, grid.upcoming
    behind, behind_arrived = grid.behind, grid.behind_arrived
    lateness, max_gap, period, hop = grid.lateness, grid.max_gap, grid.period, grid.hop
    devices, columns, times, values = readings
    window, signals = ring.shape[1:]
    open_slots = stamp.shape[1]
    ahead, added = (window - 1) % hop, min(window, hop)  # to the first due; what each adds
    count = 0
    slot, begin, k = 0, EMPTY, 0  # of the reading before, so that few need a division
    passed, passed_begin = 0, EMPTY  # likewise
    for i in range(start, devices.size):
        d = devices[i]
        silence, t = now - arrived[d], now
        if expiring:
            if newest[d] == EMPTY:
                continue
            passed = (newest[d] + silence - lateness[d]) // period
            end = latest[d] + 1
        else:
            t = times[i]
            if t > now + max_future:
                outcome[i] = FUTURE
                continue
            if newest[d] == EMPTY:
                # Earlier readings may still arrive within the lateness, so that the order
                # of arrival does not decide where the device's history begins.
                opened[d] = (t - lateness[d]) // period
                newest[d] = t
            if t >= newest[d]:
                newest[d] = t
                skew[d] = t - now
                if not 0 <= t - lateness[d] - passed_begin < period:
                    passed = (t - lateness[d]) // period
                    passed_begin = passed * period
                end = passed
            else:
                end = EMPTY
        while opened[d] < end:
            closing = opened[d]
            at = closing % open_slots
            full, read = True, False
            for c in range(signals):
                full &= stamp[d, at, c] != EMPTY
                read |= stamp[d, at, c] != EMPTY
            if expiring and closing >= passed and not (full and silence >= lateness[d]):
                break
            if count == due.device.size:
                return i, count  # and begin with this one on the next call
            # Only what has closed decides, or the order of arrival would: a reading in a
            # slot that is still open may come before or after the one that closes this slot.
            if read:
                if first[d] == EMPTY:
                    first[d] = closing
                    upcoming[d] = closing + ahead
                elif (
                    hop > 1
                    and filled[d] <= upcoming[d] - added
                    and closing > filled[d] + max_gap[d] // period + 1
                ):
                    upcoming[d] = closing + ahead  # no window was begun before the gap
                filled[d] = closing
            elif filled[d] == EMPTY or closing > filled[d] + max_gap[d] // period + 1 + window:
                # Nothing is held any more and the ring shows only what is missing: leap to the
                # watermark instead of closing a month of empty slots, and start afresh there.
                opened[d] = closing + 1 if latest[d] > closing else max(closing + 1, end)
                first[d] = EMPTY
                continue
            w, closing_begin = closing % window, closing * period
            for c in range(signals):
                since = held_stamp[d, c]
                last = stamp[d, at, c]
                if last != EMPTY:
                    new = value[d, at, c]
                    if lists is not None and how[c] != LAST:
                        new = _of_kept(lists, d, at, c)
                    if since == EMPTY or new != held[d, c] or last - max_gap[d] - period > since:
                        steady[d, c] = last
                    since = last
                    held[d, c] = new
                    held_stamp[d, c] = last
                    held_doubt[d, c] = doubt[d, at, c]
                    stamp[d, at, c] = EMPTY
                ring[d, w, c] = held[d, c]
                # Not closing_begin - since, which overflows where a clock began centuries ago.
                present[d, w, c] = (
                    since != EMPTY
                    and closing_begin - max_gap[d] <= since
                    and not held_doubt[d, c]
                    and not (since <= ended[d, c] and ended[d, c] < closing_begin)
                )
            opened[d] = closing + 1
            if first[d] == EMPTY:
                continue
            if hop > 1:
                if closing < upcoming[d]:
                    continue
                upcoming[d] = closing + hop
                if (
                    hop >= window
                    and filled[d] <= closing - window
                    and closing > filled[d] + max_gap[d] // period + 1
                ):
                    continue  # a pause between snapshots
            seen = 0
            w = w + 1 if w + 1 < window else 0  # the oldest
            for j in range(window):
                for c in range(signals):
                    due.window[count, j, c] = ring[d, w, c]
                    seen += present[d, w, c]
                w = w + 1 if w + 1 < window else 0
            for c in range(signals):
                since = held_stamp[d, c]
                due.age[count, c] = NEVER if since == EMPTY else closing_begin + period - since
                due.still[count, c] = 0 if since == EMPTY else since - steady[d, c]
            due.device[count] = d
            due.slot[count] = closing
            due.warm[count] = closing - first[d] + 1 >= window
            due.coverage[count] = seen / (window * signals)
            count += 1
        if expiring:
            continue
        arrived[d] = now
        if not 0 <= t - begin < period:
            slot = t // period
            begin, k = slot * period, slot % open_slots
        outcome[i] = ACCEPTED
        if slot < opened[d]:
            if behind[d] == EMPTY:
                behind[d], behind_arrived[d] = t, now
            # A clock that was set back would make its device late until the old time is
            # reached again. Stragglers among readings that are not late, and a backlog
            # that comes in one go, are not a whole window by both clocks.
            span = max(window * period, max_gap[d])
            if t - behind[d] < span or now - behind_arrived[d] < span:
                outcome[i] = LATE
                continue
            _begin_anew(grid, lists, d, t, now)
            outcome[i] = RESTARTED
        behind[d] = EMPTY
        c = columns[i]
        last = stamp[d, k, c]
        unsure = uncertain.size > 0 and uncertain[i]
        if last == t:
            outcome[i] = DUPLICATE
        elif lists is not None and how[c] != LAST:
            kept = _keep(lists, d, k, c, t, values[i])
            if kept == ACCEPTED:
                stamp[d, k, c] = max(last, t)
                doubt[d, k, c] = unsure or (last != EMPTY and doubt[d, k, c])
                latest[d] = max(latest[d], slot)
            else:
                outcome[i] = kept
        elif last < t:
            stamp[d, k, c] = t
            value[d, k, c] = values[i]
            doubt[d, k, c] = unsure
            latest[d] = max(latest[d], slot)
    return devices.size, count


@numba.njit(cache=True, nogil=True)
def _keep(lists: _Lists, d: int, k: int, c: int, t: int, value: np.float32) -> int:
    """Put a reading in its place in time among those kept of its cell."""
    before, at = END, lists.head[d, k, c]
    while at != END and lists.t[at] > t:
        before, at = at, lists.following[at]
    if at != END and lists.t[at] == t:
        return DUPLICATE
    new = lists.free[0]
    if new == END or lists.length[d, k, c] == MOST:
        return CROWDED
    lists.free[0] = lists.following[new]
    lists.free[1] -= 1
    lists.t[new] = t
    lists.value[new] = value
    lists.following[new] = at
    if before == END:
        lists.head[d, k, c] = new
    else:
        lists.following[before] = new
    lists.length[d, k, c] += 1
    return ACCEPTED


@numba.njit(cache=True, nogil=True)
def _forget(lists: _Lists, d: int, k: int, c: int) -> None:
    """Give back the kept readings of a cell."""
    at = lists.head[d, k, c]
    while at != END:
        following = lists.following[at]
        lists.following[at] = lists.free[0]
        lists.free[0] = at
        lists.free[1] += 1
        at = following
    lists.head[d, k, c] = END
    lists.length[d, k, c] = 0


@numba.njit(cache=True, nogil=True)
def _of_kept(lists: _Lists, d: int, k: int, c: int) -> np.float32:
    """Mean, least or greatest of a cell, summed in order of time; its readings are let go."""
    how = lists.how[c]
    at = lists.head[d, k, c]
    found = np.float64(lists.value[at])
    at = lists.following[at]
    while at != END:
        value = np.float64(lists.value[at])
        if how == MEAN:
            found += value
        elif how == MAX:
            found = max(found, value)
        else:
            found = min(found, value)
        at = lists.following[at]
    if how == MEAN:
        found /= lists.length[d, k, c]
    _forget(lists, d, k, c)
    return np.float32(found)


@numba.njit(cache=True, nogil=True)
def _begin_anew(grid: Grid, lists: _Lists | None, d: int, t: int, arrived: int) -> None:
    """Forget all that device `d` sent, and begin at `t`."""
    _, open_slots, signals = grid.stamp.shape
    for c in range(signals):
        for k in range(open_slots):
            grid.stamp[d, k, c] = EMPTY
            if lists is not None and grid.how[c] != LAST:
                _forget(lists, d, k, c)
        grid.held[d, c] = grid.fill[d, c]
        grid.held_stamp[d, c] = EMPTY
        grid.held_doubt[d, c] = False
        grid.steady[d, c] = EMPTY
        grid.ended[d, c] = EMPTY
        for w in range(grid.ring.shape[1]):
            grid.ring[d, w, c] = grid.fill[d, c]
            grid.present[d, w, c] = False
    grid.first[d] = EMPTY
    grid.upcoming[d] = EMPTY
    grid.filled[d] = EMPTY
    grid.latest[d] = EMPTY
    grid.opened[d] = (t - grid.lateness[d]) // grid.period
    grid.newest[d] = t
    grid.skew[d] = t - arrived
