"""Dynamic time warping of many pairs at once: one pair a lane.

The recurrence D[i, j] = cost(i, j) + min(D[i-1, j], D[i-1, j-1], D[i, j-1]) is serial,
so a single pair cannot fill a vector unit; as many pairs as a register has lanes can.
The pairs of a block are transposed to [time][lane] and walked four rows at a time: per
column the samples of y and the row above are loaded once, four cells are computed in
registers, and only the bottom row is stored.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_kernels.band import (
    check_batch,
    check_cost,
    check_pair,
    check_radius,
    mark_unusable,
)
from edge_kernels.dtw_channels import fill_channels
from edge_kernels.lanes import (
    add_square,
    aligned,
    all_finite,
    count,
    fill,
    least,
    load,
    store,
    sub,
    to_lanes,
    width,
)

__all__ = ["dtw_batch"]

ROWS = 4  # of a tile: what the unrolled code below spells out
SLACK = ROWS - 1  # columns that a tile may read behind the last


def dtw_batch(
    X: ArrayLike,
    Y: ArrayLike,
    radius: int,
    *,
    cost: str = "squared",
    out: NDArray[Any] | None = None,
    threads: int = 1,
) -> NDArray[Any]:
    """DTW distance of each X[b] to Y[b]: the sum of costs along the best path.

    A pair's distance does not depend on the pairs around it. float32 input is computed
    in float32; float64 results equal the definition's to the last bit.

    Args:
        X: Series, shape (B, n) or (B, n, d), float32 or float64.
        Y: Series, shape (B, m) or (B, m, d).
        radius: Half-width of the band: i and j match only where |i - j| <= radius.
        cost: "squared": squared difference, summed over the d channels.
        out: Where to put the distances, shape (B,), of the dtype computed in.
        threads: Threads to share the pairs; pays from about a millisecond of work.

    Returns:
        Distances in squared units of X, shape (B,), no root taken; NaN for a pair that
        holds a NaN or an infinity, inf where a float overflows.

    Raises:
        TypeError: X or Y is neither float32 nor float64.
        ValueError: Shapes, radius, `out` or `threads` do not fit; an empty input.
    """
    check_cost(cost)
    X, Y = check_pair(X, Y)
    channels = check_batch(X, Y)
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    pairs, n, m = X.shape[0], X.shape[1], Y.shape[1]
    radius = check_radius(n, m, radius)
    if out is None:
        out = np.empty(pairs, X.dtype)
    elif out.shape != (pairs,) or out.dtype != X.dtype or not out.flags.carray:
        raise ValueError(f"out must be a contiguous {X.dtype} array of shape ({pairs},)")
    if not _fill(X.reshape(-1), Y.reshape(-1), (n, m, channels), radius, out, threads):
        mark_unusable(X, Y, out)
    return out


def _fill(
    X: NDArray[Any],
    Y: NDArray[Any],
    shape: tuple[int, int, int],
    radius: int,
    out: NDArray[Any],
    threads: int,
) -> bool:
    """Distances of the pairs in flat X and Y into `out`; whether all are finite."""
    n, m, channels = shape
    lanes = width(out.dtype)
    pairs = out.size
    if pairs < lanes:  # the kernel works on whole registers
        spare = [*range(pairs), *[pairs - 1] * (lanes - pairs)]
        X = X.reshape(pairs, -1)[spare].reshape(-1)
        Y = Y.reshape(pairs, -1)[spare].reshape(-1)
        whole = np.empty(lanes, out.dtype)
        finite = _run(X, Y, n, m, channels, radius, whole)
        out[:] = whole[:pairs]
        return finite
    if threads == 1:
        return _run(X, Y, n, m, channels, radius, out)
    share = max(lanes, -(-pairs // threads))
    starts = range(0, pairs - lanes + 1, share)
    ends = [*starts[1:], pairs]
    with ThreadPoolExecutor(threads) as pool:
        parts = [
            pool.submit(
                _run,
                X[b * n * channels : e * n * channels],
                Y[b * m * channels : e * m * channels],
                n,
                m,
                channels,
                radius,
                out[b:e],
            )
            for b, e in zip(starts, ends, strict=True)
        ]
    # Every part is asked, not only up to the first that is not finite: each may raise.
    return all(list(map(Future.result, parts)))


def _run(
    X: NDArray[Any],
    Y: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    out: NDArray[Any],
) -> bool:
    if channels > 1:
        return fill_channels(X, Y, n, m, channels, radius, out)
    return bool(_batch(X, Y, n, m, radius, out))


@numba.njit(cache=True, nogil=True)
def _batch(
    X: NDArray[Any], Y: NDArray[Any], n: int, m: int, radius: int, out: NDArray[Any]
) -> bool:
    return _blocks(X, Y, n, m, radius, aligned(X, _size(X, n, m)), out)


@numba.njit(cache=True, nogil=True)
def _size(X: NDArray[Any], n: int, m: int) -> int:
    """Numbers that _blocks needs for x, and for y and a row of D."""
    return ((n + SLACK) + 2 * (m + 1 + SLACK)) * count(X)


@numba.njit(cache=True, nogil=True)
def _blocks(
    X: NDArray[Any],
    Y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    scratch: NDArray[Any],
    out: NDArray[Any],
) -> bool:
    """Distances into `out`, a register of pairs at a time; whether all are finite."""
    lanes = count(X)
    pad = -n % ROWS
    xs = scratch[: (n + SLACK) * lanes]
    ys = scratch[(n + SLACK) * lanes :]
    xs[: pad * lanes] = np.inf
    ys[:] = 0
    for start in range(0, out.size, lanes):
        b = min(start, out.size - lanes)  # the last block overlaps the one before
        to_lanes(X[b * n :], n, n, xs[pad * lanes :], lanes)
        to_lanes(Y[b * m :], m, m, ys[2 * lanes :], 2 * lanes)
        if radius < 2:  # narrower than a tile
            _row_by_row(xs[pad * lanes :], ys, n, m, radius)
        else:
            _tile_by_tile(xs, ys, n, m, radius)
        store(out, b, load(ys, (2 * m + 1) * lanes, fill(X, 0, 1)))
    return all_finite(out)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cell(x: Any, y: Any, above: Any, corner: Any, left: Any) -> Any:
    # This order of operands carries a NaN on: see mark_unusable.
    return add_square(least(left, least(corner, above)), sub(x, y))


@numba.njit(cache=True, nogil=True)
def _row_by_row(xs: NDArray[Any], ys: NDArray[Any], n: int, m: int, radius: int) -> None:
    """Into `ys`: at 2 (j + 1) it holds y[j], behind that the row of D, in place."""
    lanes = count(xs)
    inf = fill(xs, np.inf, 1)
    for j in range(m + 1):
        store(ys, (2 * j + 1) * lanes, inf)
    store(ys, lanes, fill(xs, 0, 1))
    for i in range(n):
        x = load(xs, i * lanes, inf)
        first = max(0, i - radius)
        corner = load(ys, (2 * first + 1) * lanes, inf)
        left = inf
        for j in range(first, min(m, i + radius + 1)):
            at = 2 * (j + 1) * lanes
            above = load(ys, at + lanes, inf)
            left = _cell(x, load(ys, at, inf), above, corner, left)
            store(ys, at + lanes, left)
            corner = above
        store(ys, lanes, inf)


@numba.njit(cache=True, nogil=True)
def _tile_by_tile(  # noqa: PLR0915  # four rows, spelled out
    xs: NDArray[Any], ys: NDArray[Any], n: int, m: int, radius: int
) -> None:
    """As _row_by_row, four rows at a time; radius >= 2.

    Rows of +inf fill the first tile from above, so that the last row is a bottom row.
    y and D share an array because at some distances a load of one would wait for a
    store to the other (addresses that agree in their low 12 bits).
    """
    lanes = count(xs)
    inf = fill(xs, np.inf, 1)
    zero = fill(xs, 0, 1)
    for j in range(m + 1 + SLACK):
        store(ys, (2 * j + 1) * lanes, inf)
    pad = -n % ROWS
    for i in range(-pad, n, ROWS):
        x0 = load(xs, (i + pad) * lanes, inf)
        x1 = load(xs, (i + pad + 1) * lanes, inf)
        x2 = load(xs, (i + pad + 2) * lanes, inf)
        x3 = load(xs, (i + pad + 3) * lanes, inf)
        # The path starts at D[-1, -1] = 0.
        corner = zero if i == 0 else load(ys, (2 * max(0, i - radius) + 1) * lanes, inf)
        left0 = zero if i == -1 else inf
        left1 = zero if i == -2 else inf
        left2 = zero if i == -3 else inf
        left3 = inf

        # The band reaches down to one row, two, three: the others stay infinite.
        if i - radius >= 0:
            at = 2 * (i - radius + 1) * lanes
            y, above = load(ys, at, inf), load(ys, at + lanes, inf)
            left0, corner = _cell(x0, y, above, corner, left0), above
        if i - radius + 1 >= 0:
            at = 2 * (i - radius + 2) * lanes
            y, above = load(ys, at, inf), load(ys, at + lanes, inf)
            cell0 = _cell(x0, y, above, corner, left0)
            left1 = _cell(x1, y, cell0, left0, left1)
            left0, corner = cell0, above
        if i - radius + 2 >= 0:
            at = 2 * (i - radius + 3) * lanes
            y, above = load(ys, at, inf), load(ys, at + lanes, inf)
            cell0 = _cell(x0, y, above, corner, left0)
            cell1 = _cell(x1, y, cell0, left0, left1)
            left2 = _cell(x2, y, cell1, left1, left2)
            left0, left1, corner = cell0, cell1, above

        for j in range(max(0, i - radius + 3), min(m, i + radius + 1)):
            at = 2 * (j + 1) * lanes
            y, above = load(ys, at, inf), load(ys, at + lanes, inf)
            cell0 = _cell(x0, y, above, corner, left0)
            cell1 = _cell(x1, y, cell0, left0, left1)
            cell2 = _cell(x2, y, cell1, left1, left2)
            cell3 = _cell(x3, y, cell2, left2, left3)
            store(ys, at + lanes, cell3)
            left0, left1, left2, left3, corner = cell0, cell1, cell2, cell3, above

        # The band leaves the first row, the second, the third.
        if i + radius + 1 < m:
            at = 2 * (i + radius + 2) * lanes
            y = load(ys, at, inf)
            cell1 = _cell(x1, y, inf, left0, left1)
            cell2 = _cell(x2, y, cell1, left1, left2)
            left3 = _cell(x3, y, cell2, left2, left3)
            store(ys, at + lanes, left3)
            y = load(ys, at + 2 * lanes, inf)
            left2 = _cell(x2, y, inf, cell1, cell2)
            cell3 = _cell(x3, y, left2, cell2, left3)
            store(ys, at + 3 * lanes, cell3)
            y = load(ys, at + 4 * lanes, inf)
            store(ys, at + 5 * lanes, _cell(x3, y, inf, left2, cell3))
