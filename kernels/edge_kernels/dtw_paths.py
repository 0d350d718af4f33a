"""Where the warping path runs, and what each step of x costs on it.

The anti-diagonals of dtw_pair (its head explains the lanes), from the start alone, and
all of them kept: n + m - 1 of radius + 1 numbers. For windows that were flagged.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.band import check_pair, check_radius, check_series
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
)

__all__ = ["dtw_path"]


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
    a, b = check_pair(x, y)
    n, m = check_series(a, b)
    radius = check_radius(n, m, radius)
    a, b = a.reshape(-1), b.reshape(-1)
    path = np.empty((n + m - 1, 2), np.intp)
    profile = np.empty(n, a.dtype)
    distance, start = _path(a, b, n, m, radius, path, profile)
    if distance - distance == 0:
        return distance, path[start:], profile
    profile[:] = np.nan
    usable = np.isfinite(a).all() and np.isfinite(b).all()
    return np.inf if usable else np.nan, path[:0], profile


@numba.njit(cache=True, nogil=True)
def _path(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    scratch = aligned(x, _size(x, n, m, radius))
    return _trace(x, y, n, m, radius, scratch, path, profile)


@numba.njit(cache=True, nogil=True)
def _size(x: NDArray[Any], n: int, m: int, radius: int) -> int:
    """Numbers that _trace needs for the diagonals and for the padded series."""
    span, pitch = _layout(x, n, m, radius)
    return (n + m + 1) * span + 2 * (x.size // n) * pitch


@numba.njit(cache=True, nogil=True)
def _layout(x: NDArray[Any], n: int, m: int, radius: int) -> tuple[int, int]:
    """Length of a diagonal, with a register before it, and of a padded series."""
    lanes = count(x)
    span = (radius // lanes + 2) * lanes
    return span, ((radius + 2 + max(n, m) + span) // lanes + 1) * lanes


@numba.njit(cache=True, nogil=True)
def _trace(
    x: NDArray[Any],
    y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    scratch: NDArray[Any],
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    """Fill `profile`, and `path` from its end; the distance, the path's first row."""
    channels = x.size // n
    span, pitch = _layout(x, n, m, radius)
    xs = (n + m + 1) * span
    ys = xs + channels * pitch
    pad = radius + 2
    _pad(x, n, pitch, pad, np.inf, 1, scratch, xs)
    _pad(y, m, pitch, pad, -np.inf, -1, scratch, ys)
    wide = span - count(x)
    if channels == 1:
        _diagonals(scratch, xs + pad, ys + pad, n, m, 1, None, radius, wide)
    else:
        _diagonals(scratch, xs + pad, ys + pad, n, m, channels, pitch, radius, wide)
    return _walk(x, y, scratch, n, m, channels, radius, span, path, profile)


@numba.njit(cache=True, nogil=True)
def _pad(
    series: NDArray[Any],
    n: int,
    pitch: int,
    pad: int,
    padding: float,
    step: int,
    scratch: NDArray[Any],
    at: int,
) -> None:
    """[time][channel] -> [channel][time] between padding, backwards if step is -1."""
    lanes = count(series)
    channels = series.size // n
    edge = fill(series, padding, 1)
    for start in range(at, at + channels * pitch, lanes):
        store(scratch, start, edge)
    at += pad
    if channels == 1 and n >= lanes:
        for start in range(0, n, lanes):
            i = min(start, n - lanes)
            block = load(series, i, edge)
            if step > 0:
                store(scratch, at + i, block)
            else:
                store(scratch, at + n - lanes - i, reverse(block))
        return
    first = 0 if step > 0 else n - 1
    for i in range(n):
        for c in range(channels):
            scratch[at + c * pitch + first + i * step] = series[i * channels + c]


@numba.njit(cache=True, nogil=True)
def _diagonals(
    scratch: NDArray[Any],
    xs: int,
    ys: int,
    n: int,
    m: int,
    channels: int,
    pitch: int | None,
    radius: int,
    wide: int,
) -> None:
    """All diagonals from k = -2 on, a register of +inf before each."""
    lanes = count(scratch)
    inf = fill(scratch, np.inf, 1)
    span = lanes + wide
    scratch[: 2 * span] = np.inf
    scratch[lanes + (radius >> 1)] = 0  # D[-1, -1]
    # Added to odd diagonals, where the band ends: lane `radius` must be infinite.
    brim = np.empty(2 * lanes, scratch.dtype)
    brim[:lanes] = 0
    brim[lanes:] = np.inf
    last = wide - lanes
    wall = load(brim, lanes - (radius - last), inf)
    for k in range(n + m - 1):
        first = k - radius + 1 >> 1
        x, y = xs + first, ys + m - 1 - k + first
        here = (k + 2) * span + lanes
        store(scratch, here - lanes, inf)
        far, near = here - 2 * span, here - span
        if (k - radius) % 2 == 0:
            below = inf
            for at in range(0, wide, lanes):
                beside = load(scratch, near + at, inf)
                best = least(load(scratch, far + at, inf), beside)
                best = least(best, lift(beside, below))
                cell = _grown(best, scratch, x + at, y + at, channels, pitch)
                store(scratch, here + at, cell)
                below = beside
        else:
            beside = load(scratch, near, inf)
            for at in range(0, last, lanes):
                above = load(scratch, near + at + lanes, inf)
                best = least(load(scratch, far + at, inf), beside)
                best = least(best, lower(beside, above))
                cell = _grown(best, scratch, x + at, y + at, channels, pitch)
                store(scratch, here + at, cell)
                beside = above
            best = least(load(scratch, far + last, inf), beside)
            best = add(least(best, lower(beside, inf)), wall)
            cell = _grown(best, scratch, x + last, y + last, channels, pitch)
            store(scratch, here + last, cell)


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


@numba.njit(cache=True, nogil=True)
def _walk(
    x: NDArray[Any],
    y: NDArray[Any],
    scratch: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    span: int,
    path: NDArray[np.intp],
    profile: NDArray[Any],
) -> tuple[float, int]:
    """From the end to the start, by value; D at the end, and the path's first row."""
    lanes = count(scratch)
    profile[:] = 0
    i, j = n - 1, m - 1
    at = (i + j + 2) * span + lanes + i - (i + j - radius + 1 >> 1)
    distance = scratch[at]
    start = n + m - 1
    if not distance - distance == 0:  # noqa: SIM201  # NaN is unequal to all
        return distance, start
    while i >= 0 and j >= 0:
        start -= 1
        path[start, 0] = i
        path[start, 1] = j
        cost = profile[i]
        for c in range(channels):
            difference = x[i * channels + c] - y[j * channels + c]
            cost += difference * difference
        profile[i] = cost
        # Numbers instead of branches, which would be guessed wrong at every bend.
        odd = (i + j - radius) & 1
        across = scratch[at - 2 * span]
        back_x = scratch[at - span - 1 + odd]
        back_y = scratch[at - span + odd]
        x_beats = back_x < across
        y_beats = back_y < min(across, back_x)
        step_x = 1 - int(y_beats)
        step_y = 1 - int(x_beats and not y_beats)
        i -= step_x
        j -= step_y
        at = (i + j + 2) * span + lanes + i - (i + j - radius + 1 >> 1)
    return distance, start
