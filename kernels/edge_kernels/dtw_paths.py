"""Where the warping path runs, and what each step of x costs on it.

The anti-diagonals of diagonals.py, from the start alone. What is kept of them is not the
sums but two bits a cell: which neighbour the best path to the cell came from. Those of a
day of minutes fit into the fastest memory, where the way back finds them. For windows
that were flagged.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.arguments import FLOAT32, FLOAT64, SERIES, WHOLE, Entry
from edge_kernels.band import check_pair, check_radius, check_series
from edge_kernels.diagonals import (
    cost_at,
    costs_of_channels,
    costs_size,
    first_round,
    grown,
    grown_soon,
    layout,
    pad_channels,
    pad_series,
    rounds,
    start_in,
    wall,
)
from edge_kernels.lanes import add, fill_bytes, fill_like, least, least_bits, size
from edge_kernels.memory import aligned, load, on_stack, store, store_below
from edge_kernels.shuffles import lift, lower

__all__ = ["dtw_path"]

INTP = np.dtype(np.intp)  # numpy looks a dtype up by its type for as long as it allocates


def dtw_path(
    x: ArrayLike, y: ArrayLike, radius: int
) -> tuple[float, NDArray[np.intp], NDArray[Any]]:
    """DTW distance, the best path, and the share of each step of x.

    Args:
        x: Series, shape (n,) or (n, d), float32 or float64.
        y: Series, shape (m,) or (m, d).
        radius: Half-width of the band: i and j match only where |i - j| <= radius.

    Returns:
        The distance, as `dtw` gives it up to rounding; the path, shape (k, 2), pairs
        (i, j) from (0, 0) to (n - 1, m - 1), of equally good ones that which prefers
        the diagonal, then a step of x; and the profile, shape (n,): the costs that
        step i of x pays on the path. The profile sums to the distance.

        Where the distance is not finite there is no path: k is 0, the profile NaN.

    Raises:
        TypeError: x or y is neither float32 nor float64.
        ValueError: Shapes do not fit, a series is empty, or the radius is smaller than
            the difference in length.
    """
    a: Any = x
    b: Any = y
    try:  # arrays that the kernel can read need no detour
        path = np.empty((len(a) + len(b), 2), INTP)
        profile = np.empty(len(a), a.dtype)
        distance, start = PATH.call(a, b, radius, path, profile)
        if distance >= 0:
            return distance, path[start:], profile
    except (AttributeError, TypeError):
        pass  # other objects
    a, b = check_pair(x, y)
    n, m, _ = check_series(a, b)
    radius = check_radius(n, m, radius)
    path = np.empty((n + m, 2), INTP)
    profile = np.empty(n, a.dtype)
    distance, start = PATH.call(a, b, radius, path, profile)
    if distance >= 0:
        return distance, path[start:], profile
    profile[:] = np.nan
    usable = np.isfinite(a).all() and np.isfinite(b).all()
    return np.inf if usable else np.nan, path[:0], profile


@numba.njit(cache=True, nogil=True)
def _path(x: Any, y: Any, radius: Any, path: Any, profile: Any) -> tuple[float, int]:
    """Fill `profile`, and `path` from its end; the distance, and the path's first row.

    `path` has n + m rows, `profile` n numbers of the precision of x. The distance is -1
    where it is not finite, or the other arguments need a closer look.
    """
    n, m, band = x.n, y.n, radius.value
    if x.axes != y.axes or x.channels != y.channels or x.precision != y.precision:
        return -1.0, 0
    if min(n, m, x.channels) == 0 or band < abs(n - m):
        return -1.0, 0
    band = min(band, max(n, m) - 1)
    rows = numba.carray(path.data, (n + m, 2), np.intp)
    if x.precision == FLOAT32:
        a = numba.carray(x.data, n * x.channels, np.float32)
        b = numba.carray(y.data, m * x.channels, np.float32)
        return _traced(a, b, n, m, band, rows, numba.carray(profile.data, n, np.float32))
    if x.precision == FLOAT64:
        c = numba.carray(x.data, n * x.channels, np.float64)
        d = numba.carray(y.data, m * x.channels, np.float64)
        return _traced(c, d, n, m, band, rows, numba.carray(profile.data, n, np.float64))
    return -1.0, 0


PATH = Entry(_path, SERIES, SERIES, WHOLE, SERIES, SERIES)


@numba.njit(cache=True, nogil=True)
def _traced(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    """As _path, of flat series of `n` and `m` steps; checks nothing."""
    channels = x.size // n
    numbers, octets = _size(x, n, m, channels, radius)
    memory = on_stack(x)
    if numbers + octets // x.itemsize + 1 > memory.size:
        memory = aligned(x, numbers + octets // x.itemsize + 1)
    bits = memory[numbers:].view(np.uint8)[:octets]
    if channels == 1:
        return _trace(x, y, n, m, radius, memory[:numbers], bits, path, profile)
    return _trace_channels(x, y, n, m, radius, memory[:numbers], bits, path, profile)


@numba.njit(cache=True, nogil=True)
def _size(x: NDArray[Any], n: int, m: int, channels: int, radius: int) -> tuple[int, int]:
    """Numbers of scratch, and bytes for the bits: what _trace and _trace_channels need."""
    lanes = size(fill_bytes(x, 0))
    wide, _, pitch = layout(lanes, n, m, radius)
    costs = 0 if channels == 1 else costs_size(n, m, radius, wide)
    diagonals = 2 * (lanes + wide)  # and what is beside
    return 2 * channels * pitch + costs + diagonals, 2 * rounds(n, m, radius) * 2 * wide // 8


@numba.njit(cache=True, nogil=True)
def _trace(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    scratch: NDArray[Any],
    bits: NDArray[np.uint8],
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    wide, pad, pitch = layout(size(fill_bytes(x, 0)), n, m, radius)
    pad_series(x, n, np.inf, scratch, 0, pad, pitch, 1)
    pad_series(y, m, -np.inf, scratch, pitch, pad, pitch, -1)
    x_at, y_at = first_round(m, radius)
    starts = pad + x_at, pitch + pad + y_at
    distance = _chain(scratch, starts, None, n, m, radius, wide, 2 * pitch, bits)
    if not np.isfinite(distance):
        return -1.0, 0
    return distance, _walk(x, y, scratch, None, n, m, radius, wide, bits, path, profile)


@numba.njit(cache=True, nogil=True)
def _trace_channels(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    scratch: NDArray[Any],
    bits: NDArray[np.uint8],
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    channels = x.size // n
    wide, pad, pitch = layout(size(fill_bytes(x, 0)), n, m, radius)
    ys = channels * pitch
    costs = 2 * channels * pitch
    pad_channels(x, n, channels, np.inf, scratch, 0, pad, pitch, 1)
    pad_channels(y, m, channels, -np.inf, scratch, ys, pad, pitch, -1)
    place = costs + costs_size(n, m, radius, wide)
    x_at, y_at = first_round(m, radius)
    turns = rounds(n, m, radius)
    x_at, y_at = pad + x_at, ys + pad + y_at
    costs_of_channels(scratch, x_at, y_at, channels, pitch, turns, wide, radius, costs)
    distance = _chain(scratch, (0, 0), costs, n, m, radius, wide, place, bits)
    if not np.isfinite(distance):
        return -1.0, 0
    return distance, _walk(x, y, scratch, costs, n, m, radius, wide, bits, path, profile)


@numba.njit(cache=True, nogil=True)
def _chain(
    scratch: NDArray[Any],
    starts: tuple[int, int],
    costs: int | None,
    n: int,
    m: int,
    radius: int,
    wide: int,
    place: int,
    bits: NDArray[np.uint8],
) -> float:
    """The distance; in `bits`, diagonal by diagonal, where each cell's best path is from.

    In the first half for a step of x against one of both, in the second for a step of y
    against the better of these.
    """
    inf = fill_bytes(scratch, np.inf)
    lanes = size(inf)
    turns = rounds(n, m, radius) - (n + m - radius & 1)  # the last may begin too late
    even, odd = place + lanes, place + wide + 2 * lanes
    if wide == lanes:
        _narrow(scratch, starts, costs, turns, radius, even, odd, bits, inf)
    else:
        for at in range(place, odd + wide, lanes):
            store(scratch, at, inf)
        scratch[(odd if radius & 1 else even) + (radius >> 1)] = 0
        brim = wall(inf, radius - wide + lanes)
        for t in range(turns):
            _both(scratch, starts, costs, t, brim, even, odd, wide, bits)
    last = n + m - 2
    lane = n - 1 - (last - radius + 1 >> 1)
    return float(scratch[(odd if last - radius & 1 else even) + lane])


@numba.njit(cache=True, nogil=True)
def _narrow(
    scratch: NDArray[Any],
    starts: tuple[int, int],
    costs: int | None,
    turns: int,
    radius: int,
    even_at: int,
    odd_at: int,
    bits: NDArray[np.uint8],
    inf: Any,
) -> None:
    """The chain of a band no wider than `inf`: no diagonal touches memory but the last."""
    x, y = starts
    wide = size(inf)
    second = bits.size // 2
    zero, brim = fill_like(inf, 0), wall(inf, radius)
    even = odd = start_in(inf, radius >> 1)
    if radius & 1:
        even = inf
    else:
        odd = inf
    for t in range(turns):
        at = 2 * t * wide
        step_x = lift(odd, inf)
        store_below(bits, at // 8, step_x, even)
        store_below(bits, second + at // 8, odd, least(even, step_x))  # not to wait for it
        best = least_bits(least_bits(even, odd), step_x)
        even = grown_soon(best, scratch, x + t, y - t, cost_at(costs, at), zero)
        at += wide
        step_y = lower(even, inf)
        both = least_bits(odd, even)
        store_below(bits, at // 8, even, odd)
        store_below(bits, second + at // 8, step_y, both)
        best = least_bits(both, step_y)
        odd = grown_soon(best, scratch, x + t + 1, y - t, cost_at(costs, at), brim)
    store(scratch, even_at, even)
    store(scratch, odd_at, odd)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _both(
    scratch: NDArray[Any],
    starts: tuple[int, int],
    costs: int | None,
    t: int,
    brim: Any,
    even: int,
    odd: int,
    wide: int,
    bits: NDArray[np.uint8],
) -> None:
    """The next even and the next odd diagonal, in place of the last ones.

    From the highest lanes, those of the wall `brim`, down: then the odd one finds its
    neighbours computed.
    """
    lanes = size(brim)
    top = wide - lanes
    far, above = load(scratch, odd + top, brim), fill_like(brim, np.inf)
    far, above = _register(scratch, starts, costs, t, brim, even, odd, wide, bits, top, far, above)
    for lane in range(top - lanes, -lanes, -lanes):
        far, above = _register(
            scratch, starts, costs, t, None, even, odd, wide, bits, lane, far, above
        )


@numba.njit(cache=True, nogil=True, forceinline=True)
def _register(
    scratch: NDArray[Any],
    starts: tuple[int, int],
    costs: int | None,
    t: int,
    brim: Any,
    even: int,
    odd: int,
    wide: int,
    bits: NDArray[np.uint8],
    lane: int,
    far: Any,
    above: Any,
) -> tuple[Any, Any]:
    """As _both, for the lanes from `lane` on, of which `far` was the odd diagonal.

    What these are to the register below: its odd diagonal as it was, and the new even one.
    """
    x, y = starts[0] + t + lane, starts[1] - t + lane
    second = bits.size // 2
    below, across = load(scratch, odd + lane - size(far), far), load(scratch, even + lane, far)
    at = 2 * t * wide + lane
    step_x = lift(far, below)
    best = least_bits(across, step_x)
    store_below(bits, at // 8, step_x, across)
    store_below(bits, second + at // 8, far, best)
    best = least_bits(best, far)
    near = grown(best, scratch, x, y, cost_at(costs, at))
    at += wide
    step_y = lower(near, above)
    best = least_bits(far, near)
    store_below(bits, at // 8, near, far)
    store_below(bits, second + at // 8, step_y, best)
    best = least_bits(best, step_y)
    if brim is not None:
        best = add(best, brim)
    then = grown(best, scratch, x + 1, y, cost_at(costs, at))
    store(scratch, even + lane, near)
    store(scratch, odd + lane, then)
    return below, near


@numba.njit(cache=True, nogil=True)
def _walk(
    x: NDArray[Any],
    y: NDArray[Any],
    scratch: NDArray[Any],
    costs: int | None,
    n: int,
    m: int,
    radius: int,
    wide: int,
    bits: NDArray[np.uint8],
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> int:
    """From the end to the start; the path's first row."""
    profile[:] = 0
    start = path.shape[0]
    i, j = n - 1, m - 1
    odd = i + j - radius & 1
    at = (i + j + (radius & 1)) * wide + i - (i + j - radius + 1 >> 1)  # of the cell
    second = np.uintp(bits.size // 2)
    while i >= 0 and j >= 0:
        start -= 1
        path[start, 0] = i
        path[start, 1] = j
        if costs is None:
            difference = x[i] - y[j]
            profile[i] += difference * difference
        else:
            profile[i] += scratch[costs + at]
        # Choices instead of branches, which would be guessed wrong at every bend; and places
        # that are ready before the bits are: each step waits for the one before.
        diagonal, by_x, by_y = at - 2 * wide, at - wide - (1 - odd), at - wide + odd
        octet, bit = np.uintp(at >> 3), at & 7  # unsigned: an index may count from the end
        only_y = int(bits[second + octet]) >> bit & 1
        maybe_x = int(bits[octet]) >> bit & 1
        at = by_x if maybe_x else diagonal
        at = by_y if only_y else at
        i -= 1 - only_y
        j -= 1 - (maybe_x & 1 - only_y)
        odd ^= only_y | maybe_x
    return start
