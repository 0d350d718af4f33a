"""Dynamic time warping of one pair at once: one anti-diagonal a vector.

Which cell a lane is, diagonals.py explains. The chain of diagonals is what takes the
time, so there are two of half the length: one from the start, and one from the end. Where
they meet, the best path is the best sum of both over the steps across the gap.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.arguments import FLOAT32, FLOAT64, SERIES, WHOLE, Entry
from edge_kernels.band import check_cost, check_pair, check_radius, check_series
from edge_kernels.diagonals import (
    WEEK,
    cost_at,
    costs_of_channels,
    costs_size,
    first_round,
    grown,
    grown_soon,
    last_round,
    layout,
    pad_channels,
    pad_series,
    rounds,
    start_in,
    wall,
)
from edge_kernels.lanes import add, count, fill, fill_like, least_bits, size
from edge_kernels.memory import aligned, load, on_stack, store
from edge_kernels.shuffles import lift, lower, smallest

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
        TypeError: x or y is neither float32 nor float64, or the radius no integer.
        ValueError: Shapes do not fit, a series is empty, or the radius is smaller than
            the difference in length.
    """
    if cost != "squared":
        check_cost(cost)
    distance: float = PAIR.call(x, y, radius)
    if distance >= 0:
        return distance
    a, b = check_pair(x, y)
    n, m, _ = check_series(a, b)
    distance = PAIR.call(a, b, check_radius(n, m, radius))
    if distance >= 0:
        return distance
    return np.inf if np.isfinite(a).all() and np.isfinite(b).all() else np.nan


@numba.njit(cache=True, nogil=True)
def _pair(x: Any, y: Any, radius: Any) -> float:
    """The distance; -1 where it is not finite, or the arguments need a closer look."""
    n, m, band = x.n, y.n, radius.value
    if x.axes != y.axes or x.channels != y.channels or x.precision != y.precision:
        return -1.0
    if min(n, m, x.channels) == 0 or band < abs(n - m):
        return -1.0
    band = min(band, max(n, m) - 1)
    if x.precision == FLOAT32:
        a = numba.carray(x.data, n * x.channels, np.float32)
        b = numba.carray(y.data, m * x.channels, np.float32)
        return _distance(a, b, n, m, band)
    if x.precision == FLOAT64:
        c = numba.carray(x.data, n * x.channels, np.float64)
        d = numba.carray(y.data, m * x.channels, np.float64)
        return _distance(c, d, n, m, band)
    return -1.0


PAIR = Entry(_pair, SERIES, SERIES, WHOLE)


@numba.njit(cache=True, nogil=True)
def _distance(x: NDArray[Any], y: NDArray[Any], n: int, m: int, radius: int) -> float:
    """As _pair, of flat series of `n` and `m` steps; checks nothing."""
    if x.size > n:
        scratch = aligned(x, _size_of_channels(x, n, m, x.size // n, radius))
        return _meet_channels(x, y, n, m, radius, scratch)
    numbers = _size(x, n, m, radius)
    scratch = on_stack(x)
    if numbers > scratch.size:
        scratch = aligned(x, numbers)
    return _meet(x, y, n, m, radius, scratch)


@numba.njit(cache=True, nogil=True)
def _size(x: NDArray[Any], n: int, m: int, radius: int) -> int:
    """Numbers of scratch for a pair of one channel."""
    wide, _, pitch = layout(count(x), n, m, radius)
    return 2 * pitch + _room(x, wide)


@numba.njit(cache=True, nogil=True)
def _meet(
    x: NDArray[Any], y: NDArray[Any], n: int, m: int, radius: int, scratch: NDArray[Any]
) -> float:
    wide, pad, pitch = layout(count(x), n, m, radius)
    pad_series(x, n, np.inf, scratch, 0, pad, pitch, 1)
    pad_series(y, m, -np.inf, scratch, pitch, pad, pitch, -1)
    x_at, y_at = first_round(m, radius)
    x_back, y_back = last_round(n, m, radius)
    ys = pitch + pad
    starts = (pad + x_at, ys + y_at, pad + x_back, ys + y_back)
    return _chains(scratch, starts, None, n, m, radius, wide, 2 * pitch)


@numba.njit(cache=True, nogil=True)
def _size_of_channels(x: NDArray[Any], n: int, m: int, channels: int, radius: int) -> int:
    """Numbers of scratch for a pair of several channels, their costs among them."""
    wide, _, pitch = layout(count(x), n, m, radius)
    return 2 * channels * pitch + costs_size(n, m, radius, wide) + _room(x, wide)


@numba.njit(cache=True, nogil=True)
def _meet_channels(
    x: NDArray[Any], y: NDArray[Any], n: int, m: int, radius: int, scratch: NDArray[Any]
) -> float:
    channels = x.size // n
    wide, pad, pitch = layout(count(x), n, m, radius)
    ys = channels * pitch
    costs = 2 * channels * pitch
    place = costs + costs_size(n, m, radius, wide)
    pad_channels(x, n, channels, np.inf, scratch, 0, pad, pitch, 1)
    pad_channels(y, m, channels, -np.inf, scratch, ys, pad, pitch, -1)
    x_at, y_at = first_round(m, radius)
    turns = rounds(n, m, radius)
    x_at, y_at = pad + x_at, ys + pad + y_at
    costs_of_channels(scratch, x_at, y_at, channels, pitch, turns, wide, radius, costs)
    return _chains(scratch, (0, 0, 0, 0), costs, n, m, radius, wide, place)


@numba.njit(cache=True, nogil=True)
def _room(x: NDArray[Any], wide: int) -> int:
    """Numbers of scratch for _chains: four diagonals and what is beside."""
    return 4 * (count(x) + wide)


@numba.njit(cache=True, nogil=True)
def _chains(
    scratch: NDArray[Any],
    starts: tuple[int, int, int, int],
    costs: int | None,
    n: int,
    m: int,
    radius: int,
    wide: int,
    place: int,
) -> float:
    """The distance, by two chains that meet; -1 where it is not finite.

    `starts` are where the first and the last even diagonal are in x and y. `costs`,
    where there is such, has been summed: numba compiles that case by itself.
    """
    lanes = count(scratch)
    turns = rounds(n, m, radius)
    inf = fill(scratch, np.inf, 1)
    zeros = radius >> 1, n - m + radius >> 1
    late = radius & 1, (n + m - radius) & 1  # the zero is on an odd diagonal
    if wide == lanes:
        return _narrow(scratch, starts, costs, turns, radius, zeros, late, inf)
    if wide == 2 * lanes:
        both = fill(scratch, np.inf, 2)
        return _narrow(scratch, starts, costs, turns, radius, zeros, late, both)
    if costs is None and wide == WEEK * lanes:
        return _wide(scratch, starts, costs, turns, radius, zeros, late, WEEK * lanes, place)
    return _wide(scratch, starts, costs, turns, radius, zeros, late, wide, place)


@numba.njit(cache=True, nogil=True)
def _narrow(
    scratch: NDArray[Any],
    starts: tuple[int, int, int, int],
    costs: int | None,
    turns: int,
    radius: int,
    zeros: tuple[int, int],
    late: tuple[int, int],
    inf: Any,
) -> float:
    """Both chains of a band no wider than `inf`: no diagonal touches memory."""
    x, y, x_back, y_back = starts
    wide = size(inf)
    brim = wall(inf, radius)
    zero = fill_like(inf, 0)
    even = odd = start_in(inf, zeros[0])
    even_back = odd_back = start_in(inf, zeros[1])
    if late[0]:
        even = inf
    else:
        odd = inf
    if late[1]:
        even_back = inf
    else:
        odd_back = inf
    back = (turns - 1) // 2
    last = turns - 1
    for t in range(back):
        at = cost_at(costs, 2 * t * wide)
        even = grown_soon(_to_even(even, odd, inf), scratch, x + t, y - t, at, zero)
        at = cost_at(costs, 2 * (last - t) * wide)
        even_back = grown_soon(
            _to_even(even_back, odd_back, inf), scratch, x_back - t, y_back + t, at, zero
        )
        at = cost_at(costs, (2 * t + 1) * wide)
        odd = grown_soon(_to_odd(odd, even, inf), scratch, x + t + 1, y - t, at, brim)
        at = cost_at(costs, (2 * (last - t) - 1) * wide)
        odd_back = grown_soon(
            _to_odd(odd_back, even_back, inf), scratch, x_back - t, y_back + t + 1, at, brim
        )
    for t in range(back, last - back):  # once or never
        at = cost_at(costs, 2 * t * wide)
        even = grown_soon(_to_even(even, odd, inf), scratch, x + t, y - t, at, zero)
        at = cost_at(costs, (2 * t + 1) * wide)
        odd = grown_soon(_to_odd(odd, even, inf), scratch, x + t + 1, y - t, at, brim)
    t = last - back
    at = cost_at(costs, 2 * t * wide)
    even = grown_soon(_to_even(even, odd, inf), scratch, x + t, y - t, at, zero)
    # A path goes on from the newest even diagonal, or across it from the odd one before.
    onward = add(even, _to_even(even_back, odd_back, inf))
    return _finite(smallest(least_bits(onward, add(odd, odd_back))))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _to_even(even: Any, odd: Any, inf: Any) -> Any:
    return least_bits(least_bits(even, odd), lift(odd, inf))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _to_odd(odd: Any, even: Any, inf: Any) -> Any:
    return least_bits(least_bits(odd, even), lower(even, inf))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _wide(
    scratch: NDArray[Any],
    starts: tuple[int, int, int, int],
    costs: int | None,
    turns: int,
    radius: int,
    zeros: tuple[int, int],
    late: tuple[int, int],
    wide: int,
    place: int,
) -> float:
    """Both chains of a band of any width: the newest diagonals are in memory.

    Before each of the four is a register of +inf.
    """
    x, y, x_back, y_back = starts
    lanes = count(scratch)
    inf = fill(scratch, np.inf, 1)
    span = lanes + wide
    for at in range(place, place + 4 * span, lanes):
        store(scratch, at, inf)
    even, odd = place + lanes, place + span + lanes
    even_back, odd_back = place + 2 * span + lanes, place + 3 * span + lanes
    scratch[(odd if late[0] else even) + zeros[0]] = 0
    scratch[(odd_back if late[1] else even_back) + zeros[1]] = 0
    brim = wall(inf, radius - wide + lanes)
    back = (turns - 1) // 2
    last = turns - 1
    for t in range(back):
        at, then = cost_at(costs, 2 * t * wide), cost_at(costs, (2 * t + 1) * wide)
        _both(scratch, x + t, y - t, 1, 0, at, then, brim, even, odd, wide)
        at = cost_at(costs, 2 * (last - t) * wide)
        then = cost_at(costs, (2 * (last - t) - 1) * wide)
        _both(scratch, x_back - t, y_back + t, 0, 1, at, then, brim, even_back, odd_back, wide)
    for t in range(back, last - back):  # once or never
        at, then = cost_at(costs, 2 * t * wide), cost_at(costs, (2 * t + 1) * wide)
        _both(scratch, x + t, y - t, 1, 0, at, then, brim, even, odd, wide)
    t = last - back
    shortest = inf
    for at in range(0, wide, count(scratch)):
        best = _over(scratch, even + at, odd + at, inf)
        best = grown(best, scratch, x + t + at, y - t + at, cost_at(costs, 2 * t * wide + at))
        onward = add(best, _over(scratch, even_back + at, odd_back + at, inf))
        across = add(load(scratch, odd + at, inf), load(scratch, odd_back + at, inf))
        shortest = least_bits(shortest, least_bits(onward, across))
    return _finite(smallest(shortest))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _over(scratch: NDArray[Any], even: int, odd: int, inf: Any) -> Any:
    """What a register of the even diagonal beyond `odd` adds its costs to."""
    far = load(scratch, odd, inf)
    below = load(scratch, odd - count(scratch), inf)
    return least_bits(least_bits(load(scratch, even, inf), far), lift(far, below))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _both(
    scratch: NDArray[Any],
    x: int,
    y: int,
    x_step: int,
    y_step: int,
    cost: int | None,
    odd_cost: int | None,
    brim: Any,
    even: int,
    odd: int,
    wide: int,
) -> None:
    """The next even and the next odd diagonal, in place of the last ones.

    From the highest lanes, those of the wall `brim`, down: then the odd one finds its
    neighbours computed.
    """
    lanes = count(scratch)
    top = wide - lanes
    far, above = load(scratch, odd + top, brim), fill(scratch, np.inf, 1)
    steps = x_step, y_step
    far, above = _register(scratch, x, y, steps, cost, odd_cost, brim, even, odd, top, far, above)
    for at in range(top - lanes, -lanes, -lanes):
        far, above = _register(
            scratch, x, y, steps, cost, odd_cost, None, even, odd, at, far, above
        )


@numba.njit(cache=True, nogil=True, forceinline=True)
def _register(
    scratch: NDArray[Any],
    x: int,
    y: int,
    steps: tuple[int, int],
    cost: int | None,
    odd_cost: int | None,
    brim: Any,
    even: int,
    odd: int,
    at: int,
    far: Any,
    above: Any,
) -> tuple[Any, Any]:
    """As _both, for the lanes from `at` on, of which `far` was the odd diagonal.

    What these are to the register below: its odd diagonal as it was, and the new even one.
    """
    below = load(scratch, odd + at - count(scratch), far)
    best = least_bits(least_bits(load(scratch, even + at, far), far), lift(far, below))
    near = grown(best, scratch, x + at, y + at, cost_at(cost, at))
    best = least_bits(least_bits(far, near), lower(near, above))
    if brim is not None:
        best = add(best, brim)
    then = grown(best, scratch, x + at + steps[0], y + at + steps[1], cost_at(odd_cost, at))
    store(scratch, even + at, near)
    store(scratch, odd + at, then)
    return below, near


@numba.njit(cache=True, nogil=True, forceinline=True)
def _finite(distance: float) -> float:
    return float(distance) if distance - distance == 0 else -1.0
