"""Dynamic time warping of one pair at once: one anti-diagonal a vector.

The cells of an anti-diagonal i + j = k do not depend on each other, only on those of
k - 1 and k - 2. Lane l of diagonal k is the cell with

    i = first(k) + l,  first(k) = ceil((k + low) / 2),  low <= i - j <= low + 2 radius,

so that the band is as many lanes wide everywhere: radius + 1 on diagonals where k + low
is even, radius on the odd ones between. From an odd diagonal to the next, even one,
`first` stays: the neighbours of lane l are lanes l and l - 1. From an even one to the
next, `first` grows: they are lanes l + 1 and l. Two diagonals back it is always lane l.

The chain of diagonals is what takes the time, so there are two of half the length: one
from the start, and one from the end, which is the same thing on reversed series. Where
they meet, the best path is the best sum of both over the steps across the gap.

x is padded with +inf and y with -inf: cells outside the matrix cost +inf.
"""

import operator
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.band import check_cost, check_pair, check_radius, check_series
from edge_kernels.lanes import (
    add,
    add_square,
    aligned,
    count,
    fill,
    least,
    lift,
    load,
    lower,
    reverse,
    store,
    sub,
    transpose,
)

__all__ = ["dtw"]


def dtw(x: ArrayLike, y: ArrayLike, radius: int, *, cost: str = "squared") -> float:
    """DTW distance of x to y: the sum of costs along the best path in the band.

    float32 input is computed in float32.

    Args:
        x: Series, shape (n,) or (n, d), float32 or float64.
        y: Series, shape (m,) or (m, d).
        radius: Half-width of the band: i and j match only where |i - j| <= radius.
        cost: "squared": squared difference, summed over the d channels.

    Returns:
        Distance in squared units of x, no root taken; NaN if x or y holds a NaN or an
        infinity, inf where a float overflows.

    Raises:
        TypeError: x or y is neither float32 nor float64.
        ValueError: Shapes do not fit, a series is empty, or the radius is smaller than
            the difference in length.
    """
    if cost != "squared":
        check_cost(cost)
    if type(radius) is not int:
        radius = operator.index(radius)
    a, b = check_pair(x, y)
    channels = 1
    if a.ndim != 1 or b.ndim != 1:
        check_series(a, b)
        channels = a.shape[1]
        a, b = a.reshape(-1), b.reshape(-1)
    distance: float = _pair(a, b, channels, radius)
    if distance - distance == 0 and distance >= 0:
        return distance
    check_radius(a.size // channels, b.size // channels, radius)
    return np.inf if np.isfinite(a).all() and np.isfinite(b).all() else np.nan


@numba.njit(cache=True, nogil=True)
def _pair(x: NDArray[Any], y: NDArray[Any], channels: int, radius: int) -> float:
    """The distance, or -1 where the radius does not join the series."""
    n, m = x.size // channels, y.size // channels
    if n == 0 or m == 0 or radius < abs(n - m):
        return -1.0
    radius = min(radius, max(n, m) - 1)
    wide, pad, pitch, size = _layout(x, n, m, channels, radius)
    return float(_meet(x, y, n, m, radius, wide, pad, pitch, aligned(x, size)))


@numba.njit(cache=True, nogil=True)
def _layout(
    x: NDArray[Any], n: int, m: int, channels: int, radius: int
) -> tuple[int, int, int, int]:
    """Lanes of a diagonal, pad before a series, length of a padded one, and of all."""
    lanes = count(x)
    wide = -(-(radius + 1) // lanes) * lanes  # whole registers
    pad = radius + 2
    pitch = ((pad + max(n, m) + wide) // lanes + 2) * lanes
    return wide, pad, pitch, 5 * (wide + 2 * lanes) + 4 * channels * pitch


@numba.njit(cache=True, nogil=True)
def _meet(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    wide: int,
    pad: int,
    pitch: int,
    scratch: NDArray[Any],
) -> float:
    lanes = count(x)
    channels = x.size // n
    # What scratch holds: the wall, which is added to odd diagonals where the band ends
    # (beside even ones no cell of the band looks), ...
    span = wide + 2 * lanes
    wall = 0
    scratch[:radius] = 0
    scratch[radius : 5 * span] = np.inf
    # ... the newest diagonals, each between two registers of +inf, ...
    even, odd = span + lanes, 2 * span + lanes
    even_back, odd_back = 3 * span + lanes, 4 * span + lanes
    # ... and the series, padded, both ways.
    xs = 5 * span
    ys_back = xs + channels * pitch
    xs_back = ys_back + channels * pitch
    ys = xs_back + channels * pitch
    _pad(x, n, pitch, pad, np.inf, scratch, xs, xs_back)
    _pad(y, m, pitch, pad, -np.inf, scratch, ys_back, ys)

    # A chain begins with an even diagonal, k = 0 or k = -1, its path at D[-1, -1] = 0.
    low, low_back = -radius, n - m - radius
    late, late_back = low & 1, low_back & 1
    scratch[(odd if late else even) + (-low >> 1)] = 0
    scratch[(odd_back if late_back else even_back) + (-low_back >> 1)] = 0
    first, first_back = low + 1 - late >> 1, low_back + 1 - late_back >> 1
    xs += pad + first
    ys += pad + first + m - 1 + late
    xs_back += pad + first_back
    ys_back += pad + first_back + m - 1 + late_back
    steps = n + m - 1 + late + late_back  # odd, whatever n, m and radius are
    rounds = steps // 4  # both chains take two steps; then the forward one the last 1 or 3
    starts = (xs, ys, xs_back, ys_back)
    ends = (even, odd, even_back, odd_back)
    if channels > 1:
        _wide(scratch, starts, rounds, steps % 4, channels, pitch, wall, ends, wide)
    elif wide == lanes:
        _narrow(scratch, starts, rounds, steps % 4, wall, ends, fill(x, np.inf, 1))
    elif wide == 2 * lanes:
        _narrow(scratch, starts, rounds, steps % 4, wall, ends, fill(x, np.inf, 2))
    else:
        _wide(scratch, starts, rounds, steps % 4, 1, None, wall, ends, wide)
    return _join(scratch, even, odd, even_back, odd_back, radius)


@numba.njit(cache=True, nogil=True)
def _pad(
    series: NDArray[Any],
    n: int,
    pitch: int,
    pad: int,
    padding: float,
    scratch: NDArray[Any],
    forth: int,
    back: int,
) -> None:
    """[time][channel] -> [channel][time] between padding, and that back in time."""
    lanes = count(series)
    channels = series.size // n
    edge = fill(scratch, padding, 1)
    for at in range(0, channels * pitch, lanes):
        store(scratch, forth + at, edge)
        store(scratch, back + at, edge)
    forth += pad
    back += pad
    if channels == 1 and n >= lanes:
        for start in range(0, n, lanes):
            i = min(start, n - lanes)
            block = load(series, i, edge)
            store(scratch, forth + i, block)
            store(scratch, back + n - lanes - i, reverse(block))
    elif n < lanes or channels < lanes:
        for i in range(n):
            for c in range(channels):
                scratch[forth + c * pitch + i] = series[i * channels + c]
                scratch[back + c * pitch + n - 1 - i] = series[i * channels + c]
    else:  # in squares, the last of which overlap the ones before
        for row in range(0, n, lanes):
            i = min(row, n - lanes)
            end = i + lanes - 1
            for column in range(0, channels, lanes):
                c = min(column, channels - lanes)
                to = c * pitch
                transpose(series, i * channels + c, channels, scratch, forth + to + i, pitch)
                to += back + n - 1 - end
                transpose(series, end * channels + c, -channels, scratch, to, pitch)


@numba.njit(cache=True, nogil=True)
def _wide(
    scratch: NDArray[Any],
    starts: tuple[int, int, int, int],
    rounds: int,
    rest: int,
    channels: int,
    pitch: int | None,
    wall: int,
    ends: tuple[int, int, int, int],
    wide: int,
) -> None:
    """Both chains of a band of any width; one channel where `pitch` is None.

    numba compiles that case by itself, without the loop over channels.
    """
    xs, ys, xs_back, ys_back = starts
    even, odd, even_back, odd_back = ends
    for t in range(rounds):
        _both(scratch, xs + t, ys - t, channels, pitch, wall, even, odd, wide)
        _both(
            scratch,
            xs_back + t,
            ys_back - t,
            channels,
            pitch,
            wall,
            even_back,
            odd_back,
            wide,
        )
    xs += rounds
    ys -= rounds
    if rest == 3:
        _both(scratch, xs, ys, channels, pitch, wall, even, odd, wide)
        xs += 1
        ys -= 1
    _even(scratch, xs, ys, channels, pitch, even, odd, wide)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _grown(
    best: Any, scratch: NDArray[Any], xs: int, ys: int, channels: int, pitch: int | None
) -> Any:
    """`best` plus the costs of a register of cells."""
    difference = sub(load(scratch, xs, best), load(scratch, ys, best))
    if pitch is None:
        return add_square(best, difference)
    total = add_square(fill(scratch, 0, 1), difference)
    for c in range(1, channels):
        at = c * pitch  # a range over the offsets themselves would divide by its step
        difference = sub(load(scratch, xs + at, best), load(scratch, ys + at, best))
        total = add_square(total, difference)
    return add(best, total)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _both(
    scratch: NDArray[Any],
    xs: int,
    ys: int,
    channels: int,
    pitch: int | None,
    wall: int,
    even: int,
    odd: int,
    wide: int,
) -> None:
    """The next even and the next odd diagonal, in place of the last ones.

    The odd one follows a register behind, while its neighbours are at hand.
    """
    lanes = count(scratch)
    inf = fill(scratch, np.inf, 1)
    far = load(scratch, odd, inf)
    best = least(least(load(scratch, even, inf), far), lift(far, inf))
    near = _grown(best, scratch, xs, ys, channels, pitch)
    store(scratch, even, near)
    at = 0
    for above in range(lanes, wide, lanes):
        far_above = load(scratch, odd + above, inf)
        best = least(load(scratch, even + above, inf), far_above)
        best = least(best, lift(far_above, far))
        near_above = _grown(best, scratch, xs + above, ys + above, channels, pitch)
        store(scratch, even + above, near_above)
        best = least(least(far, near), lower(near, near_above))
        store(
            scratch,
            odd + at,
            _grown(best, scratch, xs + at + 1, ys + at, channels, pitch),
        )
        far, near, at = far_above, near_above, above
    best = add(least(least(far, near), lower(near, inf)), load(scratch, wall + at, inf))
    store(scratch, odd + at, _grown(best, scratch, xs + at + 1, ys + at, channels, pitch))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _even(
    scratch: NDArray[Any],
    xs: int,
    ys: int,
    channels: int,
    pitch: int | None,
    even: int,
    odd: int,
    wide: int,
) -> None:
    """The next even diagonal, in place of the last."""
    below = fill(scratch, np.inf, 1)
    for at in range(0, wide, count(scratch)):
        far = load(scratch, odd + at, below)
        best = least(least(load(scratch, even + at, below), far), lift(far, below))
        store(scratch, even + at, _grown(best, scratch, xs + at, ys + at, channels, pitch))
        below = far


@numba.njit(cache=True, nogil=True)
def _narrow(
    scratch: NDArray[Any],
    starts: tuple[int, int, int, int],
    rounds: int,
    rest: int,
    wall: int,
    ends: tuple[int, int, int, int],
    inf: Any,
) -> None:
    """Both chains of a band no wider than `inf`: no diagonal touches memory."""
    xs, ys, xs_back, ys_back = starts
    brim = load(scratch, wall, inf)
    even = load(scratch, ends[0], inf)
    odd = load(scratch, ends[1], inf)
    even_back = load(scratch, ends[2], inf)
    odd_back = load(scratch, ends[3], inf)
    for _ in range(rounds):
        even = _next_even(scratch, xs, ys, even, odd, inf)
        even_back = _next_even(scratch, xs_back, ys_back, even_back, odd_back, inf)
        odd = _next_odd(scratch, xs + 1, ys, odd, even, inf, brim)
        odd_back = _next_odd(scratch, xs_back + 1, ys_back, odd_back, even_back, inf, brim)
        xs, ys, xs_back, ys_back = xs + 1, ys - 1, xs_back + 1, ys_back - 1
    if rest == 3:
        even = _next_even(scratch, xs, ys, even, odd, inf)
        odd = _next_odd(scratch, xs + 1, ys, odd, even, inf, brim)
        xs, ys = xs + 1, ys - 1
    even = _next_even(scratch, xs, ys, even, odd, inf)
    store(scratch, ends[0], even)
    store(scratch, ends[1], odd)
    store(scratch, ends[2], even_back)
    store(scratch, ends[3], odd_back)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _next_even(scratch: NDArray[Any], xs: int, ys: int, even: Any, odd: Any, inf: Any) -> Any:
    difference = sub(load(scratch, xs, inf), load(scratch, ys, inf))
    return add_square(least(least(even, odd), lift(odd, inf)), difference)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _next_odd(
    scratch: NDArray[Any], xs: int, ys: int, odd: Any, even: Any, inf: Any, wall: Any
) -> Any:
    difference = sub(load(scratch, xs, inf), load(scratch, ys, inf))
    # The wall joins the cost, off the chain from diagonal to diagonal.
    return add(add_square(wall, difference), least(least(odd, even), lower(even, inf)))


@numba.njit(cache=True, nogil=True)
def _join(
    scratch: NDArray[Any],
    even: int,
    odd: int,
    even_back: int,
    odd_back: int,
    radius: int,
) -> float:
    """The best sum over every step from the forward diagonals to the backward ones.

    Lane l of the forward ones is i; i + 1 is lane radius - 1 - l of the odd one that
    comes next, and one more of the even one after that.
    """
    best = scratch[even + radius] + min(scratch[odd_back], scratch[even_back])
    for lane in range(radius):
        across = radius - 1 - lane
        next_ = scratch[odd_back + across]
        onward = min(next_, scratch[odd_back + across + 1], scratch[even_back + across + 1])
        best = min(best, scratch[even + lane] + onward, scratch[odd + lane] + next_)
    return best
