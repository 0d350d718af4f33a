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

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.band import check_cost, check_pair, check_radius
from edge_kernels.lanes import (
    REGISTER_BYTES,
    add,
    add_square,
    fill,
    least,
    lift,
    load,
    lower,
    store,
    sub,
    transpose,
)

__all__ = ["dtw"]

ALIGNMENT = 64


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
    check_cost(cost)
    x, y = check_pair(x, y)
    channels = check_shapes(x, y)
    n, m = len(x), len(y)
    radius = check_radius(n, m, radius)
    if channels > 1:
        x, y = x.reshape(-1), y.reshape(-1)
    distance = float(_pair(x, y, n, m, radius))
    if distance - distance == 0 or np.isfinite(x).all() and np.isfinite(y).all():
        return distance
    return np.nan


def check_shapes(x: NDArray[Any], y: NDArray[Any]) -> int:
    """The channels that x and y share.

    Raises:
        ValueError: They are not both (time,) or (time, channels).
    """
    if x.ndim == y.ndim == 1:
        return 1
    if x.ndim != 2 or x.shape[1:] != y.shape[1:] or x.shape[1] < 1:
        raise ValueError(f"series must be (n,) or (n, d) alike, got {x.shape} and {y.shape}")
    return x.shape[1]


@numba.njit(cache=True, nogil=True)
def _pair(x: NDArray[Any], y: NDArray[Any], n: int, m: int, radius: int) -> float:
    channels = x.size // n
    lanes = REGISTER_BYTES // x.itemsize
    wide = -(-(radius + 1) // lanes) * lanes  # lanes of a diagonal, in whole registers
    if channels == 1 and wide <= 2 * lanes:
        wide = 2 * lanes
    pad = radius + 2
    pitch = pad + max(n, m) + wide + lanes
    size = 4 * channels * pitch + 8 * (wide + 2 * lanes)
    memory = np.empty(size + ALIGNMENT // x.itemsize, x.dtype)
    scratch = memory[-memory.ctypes.data % ALIGNMENT // x.itemsize :]
    return _meet(x, y, n, m, channels, radius, wide, pad, pitch, scratch)


@numba.njit(cache=True, nogil=True)
def _meet(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    wide: int,
    pad: int,
    pitch: int,
    scratch: NDArray[Any],
) -> float:
    lanes = REGISTER_BYTES // x.itemsize
    # Four diagonals, each between two registers of +inf, and the wall.
    span = wide + 2 * lanes
    scratch[: 4 * span] = np.inf
    even = scratch[lanes:span]
    odd = scratch[span + lanes : 2 * span]
    even_back = scratch[2 * span + lanes : 3 * span]
    odd_back = scratch[3 * span + lanes : 4 * span]
    wall = scratch[4 * span : 5 * span]  # added to what lies beside the band
    wall[: radius + 1] = 0
    wall[radius + 1 :] = np.inf
    block = channels * pitch
    xs = scratch[5 * span : 5 * span + block]
    ys = scratch[5 * span + block : 5 * span + 2 * block]
    xs_back = scratch[5 * span + 2 * block : 5 * span + 3 * block]
    ys_back = scratch[5 * span + 3 * block : 5 * span + 4 * block]
    _pad(x, n, channels, pitch, pad, np.inf, xs, xs_back)
    _pad(y, m, channels, pitch, pad, -np.inf, ys_back, ys)

    low, low_back = -radius, n - m - radius
    # The chains begin with an even diagonal, at k = 0 or k = -1; the path at D[-1, -1] = 0.
    late, late_back = low & 1, low_back & 1
    if late:
        odd[-low >> 1] = 0
    else:
        even[-low >> 1] = 0
    if late_back:
        odd_back[-low_back >> 1] = 0
    else:
        even_back[-low_back >> 1] = 0
    at_x = pad + (low + 1 - late >> 1)
    at_y = pad + m - 1 + late + (low + 1 - late >> 1)
    at_x_back = pad + (low_back + 1 - late_back >> 1)
    at_y_back = pad + m - 1 + late_back + (low_back + 1 - late_back >> 1)
    steps = n + m - 1 + late + late_back  # odd, whatever n, m and radius are
    rounds = steps // 4
    if channels == 1 and wide == 2 * lanes:
        _run_in_registers(
            xs, ys, at_x, at_y, xs_back, ys_back, at_x_back, at_y_back,
            rounds, steps % 4, wall, even, odd, even_back, odd_back,
        )  # fmt: skip
    else:
        for t in range(rounds):
            _even(xs, ys, at_x + t, at_y - t, channels, pitch, wall, even, odd, wide)
            _even(
                xs_back, ys_back, at_x_back + t, at_y_back - t, channels, pitch, wall,
                even_back, odd_back, wide,
            )  # fmt: skip
            _odd(xs, ys, at_x + t + 1, at_y - t, channels, pitch, wall, even, odd, wide)
            _odd(
                xs_back, ys_back, at_x_back + t + 1, at_y_back - t, channels, pitch, wall,
                even_back, odd_back, wide,
            )  # fmt: skip
        t = rounds
        if steps % 4 == 3:
            _even(xs, ys, at_x + t, at_y - t, channels, pitch, wall, even, odd, wide)
            _odd(xs, ys, at_x + t + 1, at_y - t, channels, pitch, wall, even, odd, wide)
            t += 1
        _even(xs, ys, at_x + t, at_y - t, channels, pitch, wall, even, odd, wide)
    return _join(even, odd, even_back, odd_back, radius)


@numba.njit(cache=True, nogil=True)
def _pad(
    series: NDArray[Any],
    n: int,
    channels: int,
    pitch: int,
    pad: int,
    padding: float,
    forth: NDArray[Any],
    back: NDArray[Any],
) -> None:
    """[time][channel] -> [channel][time] with `padding` around, and that reversed in time."""
    for c in range(channels):
        start = c * pitch + pad
        forth[c * pitch : start] = padding
        back[c * pitch : start] = padding
        for i in range(n):
            forth[start + i] = series[i * channels + c]
            back[start + n - 1 - i] = series[i * channels + c]
        forth[start + n : (c + 1) * pitch] = padding
        back[start + n : (c + 1) * pitch] = padding


@numba.njit(cache=True, nogil=True, forceinline=True)
def _grown(
    best: Any, xs: NDArray[Any], ys: NDArray[Any], at_x: int, at_y: int, channels: int, pitch: int
) -> Any:
    """`best` plus the costs of a block of cells."""
    difference = sub(load(xs, at_x, best), load(ys, at_y, best))
    if channels == 1:
        return add_square(best, difference)
    total = add_square(fill(xs, 0, 1), difference)
    for c in range(pitch, channels * pitch, pitch):
        difference = sub(load(xs, at_x + c, best), load(ys, at_y + c, best))
        total = add_square(total, difference)
    return add(best, total)


@numba.njit(cache=True, nogil=True)
def _even(
    xs: NDArray[Any],
    ys: NDArray[Any],
    at_x: int,
    at_y: int,
    channels: int,
    pitch: int,
    wall: NDArray[Any],
    even: NDArray[Any],
    odd: NDArray[Any],
    wide: int,
) -> None:
    """The next even diagonal, in place of the last."""
    lanes = REGISTER_BYTES // xs.itemsize
    below = fill(xs, np.inf, 1)
    last = wide - lanes
    for at in range(0, last, lanes):
        near = load(odd, at, below)
        best = least(least(load(even, at, below), near), lift(near, below))
        store(even, at, _grown(best, xs, ys, at_x + at, at_y + at, channels, pitch))
        below = near
    near = load(odd, last, below)
    best = least(least(load(even, last, below), near), lift(near, below))
    best = add(best, load(wall, last, below))
    store(even, last, _grown(best, xs, ys, at_x + last, at_y + last, channels, pitch))


@numba.njit(cache=True, nogil=True)
def _odd(
    xs: NDArray[Any],
    ys: NDArray[Any],
    at_x: int,
    at_y: int,
    channels: int,
    pitch: int,
    wall: NDArray[Any],
    even: NDArray[Any],
    odd: NDArray[Any],
    wide: int,
) -> None:
    """The next odd diagonal, in place of the last."""
    lanes = REGISTER_BYTES // xs.itemsize
    inf = fill(xs, np.inf, 1)
    last = wide - lanes
    near = load(even, 0, inf)
    for at in range(0, last, lanes):
        above = load(even, at + lanes, inf)
        best = least(least(load(odd, at, inf), near), lower(near, above))
        store(odd, at, _grown(best, xs, ys, at_x + at, at_y + at, channels, pitch))
        near = above
    best = least(least(load(odd, last, inf), near), lower(near, inf))
    best = add(best, load(wall, last + 1, inf))
    store(odd, last, _grown(best, xs, ys, at_x + last, at_y + last, channels, pitch))


@numba.njit(cache=True, nogil=True)
def _run_in_registers(
    xs: NDArray[Any],
    ys: NDArray[Any],
    at_x: int,
    at_y: int,
    xs_back: NDArray[Any],
    ys_back: NDArray[Any],
    at_x_back: int,
    at_y_back: int,
    rounds: int,
    rest: int,
    walls: NDArray[Any],
    evens: NDArray[Any],
    odds: NDArray[Any],
    evens_back: NDArray[Any],
    odds_back: NDArray[Any],
) -> None:
    """Both chains of a narrow band, one channel: no diagonal touches memory."""
    inf = fill(xs, np.inf, 2)
    wall = load(walls, 0, inf)
    wall_odd = load(walls, 1, inf)
    even = load(evens, 0, inf)
    odd = load(odds, 0, inf)
    even_back = load(evens_back, 0, inf)
    odd_back = load(odds_back, 0, inf)
    for t in range(rounds):
        cost = _cost(xs, ys, at_x + t, at_y - t, wall)
        cost_back = _cost(xs_back, ys_back, at_x_back + t, at_y_back - t, wall)
        even = add(cost, least(least(even, odd), lift(odd, inf)))
        even_back = add(cost_back, least(least(even_back, odd_back), lift(odd_back, inf)))
        cost = _cost(xs, ys, at_x + t + 1, at_y - t, wall_odd)
        cost_back = _cost(xs_back, ys_back, at_x_back + t + 1, at_y_back - t, wall_odd)
        odd = add(cost, least(least(odd, even), lower(even, inf)))
        odd_back = add(cost_back, least(least(odd_back, even_back), lower(even_back, inf)))
    at_x += rounds
    at_y -= rounds
    if rest == 3:
        cost = _cost(xs, ys, at_x, at_y, wall)
        even = add(cost, least(least(even, odd), lift(odd, inf)))
        cost = _cost(xs, ys, at_x + 1, at_y, wall_odd)
        odd = add(cost, least(least(odd, even), lower(even, inf)))
        at_x += 1
        at_y -= 1
    cost = _cost(xs, ys, at_x, at_y, wall)
    even = add(cost, least(least(even, odd), lift(odd, inf)))
    store(evens, 0, even)
    store(odds, 0, odd)
    store(evens_back, 0, even_back)
    store(odds_back, 0, odd_back)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cost(xs: NDArray[Any], ys: NDArray[Any], at_x: int, at_y: int, wall: Any) -> Any:
    return add_square(wall, sub(load(xs, at_x, wall), load(ys, at_y, wall)))


@numba.njit(cache=True, nogil=True)
def _join(
    even: NDArray[Any],
    odd: NDArray[Any],
    even_back: NDArray[Any],
    odd_back: NDArray[Any],
    radius: int,
) -> float:
    """The best sum over every step from the forward diagonals to the backward ones.

    Lane l of the forward ones is i; i + 1 is lane radius - 1 - l of `odd_back` and one
    more of `even_back`, which lies a diagonal further on.
    """
    best = even[radius] + min(odd_back[0], even_back[0])
    for lane in range(radius):
        across = radius - 1 - lane
        one = odd_back[across]
        best = min(best, even[lane] + min(one, odd_back[across + 1], even_back[across + 1]))
        best = min(best, odd[lane] + one)
    return best
