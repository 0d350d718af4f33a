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

from edge_kernels.band import aligned, check_cost, check_pair, check_radius
from edge_kernels.lanes import (
    add,
    add_square,
    count,
    fill,
    least,
    load,
    store,
    sub,
    transpose,
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
    if X.ndim not in {2, 3} or X.ndim != Y.ndim or X.shape[0] != Y.shape[0]:
        raise ValueError(
            f"X and Y must be (B, n[, d]) alike, got {X.shape} and {Y.shape}"
        )
    if X.size == 0 or Y.size == 0 or X.shape[2:] != Y.shape[2:]:
        raise ValueError(
            f"X and Y must share their channels, got {X.shape} and {Y.shape}"
        )
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    pairs, n, m = X.shape[0], X.shape[1], Y.shape[1]
    radius = check_radius(n, m, radius)
    if out is None:
        out = np.empty(pairs, X.dtype)
    elif out.shape != (pairs,) or out.dtype != X.dtype or not out.flags.carray:
        raise ValueError(
            f"out must be a contiguous {X.dtype} array of shape ({pairs},)"
        )
    channels = X.shape[2] if X.ndim == 3 else 1
    if not _fill(X.reshape(-1), Y.reshape(-1), (n, m, channels), radius, out, threads):
        _mark_unusable(X, Y, out)
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
    lanes = width(out.dtype)
    if channels == 1:
        size = ((n + SLACK) + 2 * (m + 1 + SLACK)) * lanes
        return bool(_batch(X, Y, n, m, radius, aligned(size, out.dtype), out))
    slots = (2 * radius + 1 + SLACK) * ROWS
    size = (ROWS * channels + m * channels + (m + 1) + slots) * lanes
    return bool(_batch_nd(X, Y, n, m, channels, radius, aligned(size, out.dtype), out))


def _mark_unusable(X: NDArray[Any], Y: NDArray[Any], out: NDArray[Any]) -> None:
    # A NaN sample makes a whole row or column of D NaN; the minimum may turn that into
    # infinity at the edge of the band, but never into a number.
    for b in np.flatnonzero(~np.isfinite(out)):
        usable = np.isfinite(X[b]).all() and np.isfinite(Y[b]).all()
        out[b] = np.inf if usable else np.nan


@numba.njit(cache=True, nogil=True)
def _batch(
    X: NDArray[Any],
    Y: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    scratch: NDArray[Any],
    out: NDArray[Any],
) -> bool:
    lanes = count(X)
    pad = -n % ROWS
    xs = scratch[: (n + SLACK) * lanes]
    ys = scratch[(n + SLACK) * lanes :]
    xs[: pad * lanes] = np.inf
    ys[:] = 0
    for start in range(0, out.size, lanes):
        b = min(start, out.size - lanes)  # the last block overlaps the one before
        _to_lanes(X[b * n :], n, n, xs[pad * lanes :], lanes)
        _to_lanes(Y[b * m :], m, m, ys[2 * lanes :], 2 * lanes)
        if radius < 2:  # narrower than a tile
            _row_by_row(xs[pad * lanes :], ys, n, m, radius)
        else:
            _tile_by_tile(xs, ys, n, m, radius)
        store(out, b, load(ys, (2 * m + 1) * lanes, fill(X, 0, 1)))
    return _finite(out)


@numba.njit(cache=True, nogil=True)
def _to_lanes(
    source: NDArray[Any], length: int, stride: int, target: NDArray[Any], pitch: int
) -> None:
    """`length` numbers of each lane's series, [lane][t] -> [t][lane].

    A lane's series begins `stride` numbers behind the lane before, and the vector for
    t + 1 `pitch` numbers behind that for t.
    """
    lanes = count(source)
    if length < lanes:
        for t in range(length):
            for b in range(lanes):
                target[t * pitch + b] = source[b * stride + t]
        return
    for start in range(0, length, lanes):
        t = min(start, length - lanes)  # the last square overlaps the one before
        transpose(source, t, stride, target, t * pitch, pitch)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cell(x: Any, y: Any, above: Any, corner: Any, left: Any) -> Any:
    # This order of operands carries a NaN on: see _mark_unusable.
    return add_square(least(left, least(corner, above)), sub(x, y))


@numba.njit(cache=True, nogil=True)
def _row_by_row(
    xs: NDArray[Any], ys: NDArray[Any], n: int, m: int, radius: int
) -> None:
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


@numba.njit(cache=True, nogil=True)
def _batch_nd(
    X: NDArray[Any],
    Y: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    scratch: NDArray[Any],
    out: NDArray[Any],
) -> bool:
    lanes = count(X)
    width, height = n * channels, m * channels
    xs = scratch[: ROWS * channels * lanes]
    ys = scratch[xs.size : xs.size + height * lanes]
    row = scratch[xs.size + ys.size : xs.size + ys.size + (m + 1) * lanes]
    costs = scratch[xs.size + ys.size + row.size :]
    for start in range(0, out.size, lanes):
        b = min(start, out.size - lanes)
        x = X[b * width :]
        _to_lanes(Y[b * height :], height, height, ys, lanes)
        if radius == 0:
            _diagonal_nd(x, ys, n, channels, xs, row)
        else:
            _tile_by_tile_nd(x, ys, n, m, channels, radius, xs, row, costs)
        store(out, b, load(row, m * lanes, fill(X, 0, 1)))
    return _finite(out)


@numba.njit(cache=True, nogil=True)
def _finite(out: NDArray[Any]) -> bool:
    bad = 0
    for distance in out:
        bad += not distance - distance == 0  # noqa: SIM201  # NaN is unequal to all
    return bad == 0


@numba.njit(cache=True, nogil=True)
def _diagonal_nd(
    x: NDArray[Any],
    ys: NDArray[Any],
    n: int,
    channels: int,
    xs: NDArray[Any],
    row: NDArray[Any],
) -> None:
    """Radius 0: the squared Euclidean distance."""
    lanes = count(x)
    step = channels * lanes
    total = fill(x, 0, 1)
    for i in range(n):
        _to_lanes(x[i * channels :], channels, n * channels, xs, lanes)
        cost = fill(x, 0, 1)
        for at in range(0, step, lanes):
            difference = sub(load(xs, at, cost), load(ys, i * step + at, cost))
            cost = add_square(cost, difference)
        total = add(total, cost)
    store(row, n * lanes, total)


@numba.njit(cache=True, nogil=True)
def _tile_by_tile_nd(
    x: NDArray[Any],
    ys: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    xs: NDArray[Any],
    row: NDArray[Any],
    costs: NDArray[Any],
) -> None:
    """As _tile_by_tile, with a tile's costs, [column][row][lane], summed first.

    The four rows of x are transposed as they are needed: then they stay in L1.
    """
    lanes = count(x)
    inf = fill(x, np.inf, 1)
    zero = fill(x, 0, 1)
    pad = -n % ROWS
    for j in range(m + 1):
        store(row, j * lanes, inf)
    if pad == 0:
        store(row, 0, zero)
    xs[: pad * channels * lanes] = np.inf
    for i in range(-pad, n, ROWS):
        above_x = max(0, -i)
        _to_lanes(
            x[(i + above_x) * channels :],
            (ROWS - above_x) * channels,
            n * channels,
            xs[above_x * channels * lanes :],
            lanes,
        )
        for slot in range(3, 2 * radius + 1, 3):
            j = i - radius + slot
            if j + 2 >= 0 and j < m:
                _sum_costs(xs, ys, m, channels, j, j, costs, slot, slot)
        # The band gains its four rows over three columns at the left and loses them
        # over three at the right: the cells of both make up one block without waste.
        enters, leaves = i - radius, i + radius + 1
        _sum_costs(xs, ys, m, channels, enters, leaves, costs, 0, 2 * radius + 1)
        last = (2 * radius + 1) * ROWS
        for cell in (
            1,
            2,
            3,
            6,
            7,
            11,
            last,
            last + 4,
            last + 5,
            last + 8,
            last + 9,
            last + 10,
        ):
            store(costs, cell * lanes, inf)
        first = max(0, enters)
        corner = load(row, first * lanes, inf)
        left0 = zero if i == -1 else inf
        left1 = zero if i == -2 else inf
        left2 = zero if i == -3 else inf
        left3 = inf
        for j in range(first, min(m, leaves + ROWS - 1)):
            at = (j - enters) * ROWS * lanes
            above = load(row, (j + 1) * lanes, inf)
            cell0 = _cell_nd(load(costs, at, inf), above, corner, left0)
            cell1 = _cell_nd(load(costs, at + lanes, inf), cell0, left0, left1)
            cell2 = _cell_nd(load(costs, at + 2 * lanes, inf), cell1, left1, left2)
            cell3 = _cell_nd(load(costs, at + 3 * lanes, inf), cell2, left2, left3)
            store(row, (j + 1) * lanes, cell3)
            left0, left1, left2, left3, corner = cell0, cell1, cell2, cell3, above
        store(row, 0, inf)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cell_nd(cost: Any, above: Any, corner: Any, left: Any) -> Any:
    return add(cost, least(left, least(corner, above)))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _sum_costs(
    xs: NDArray[Any],
    ys: NDArray[Any],
    m: int,
    channels: int,
    j: int,
    k: int,
    costs: NDArray[Any],
    slot: int,
    other: int,
) -> None:
    """Costs of four rows against three columns from j on, to slots from `slot` on.

    Row r meets column j + c where r <= c, and column k + c, of slot other + c, where
    r > c. Columns that are no part of Y leave numbers that nobody reads.
    """
    lanes = count(xs)
    step = channels * lanes
    j0 = min(max(0, j), m - 1) * step
    j1 = min(max(0, j + 1), m - 1) * step
    j2 = min(max(0, j + 2), m - 1) * step
    k0 = min(max(0, k), m - 1) * step
    k1 = min(max(0, k + 1), m - 1) * step
    k2 = min(max(0, k + 2), m - 1) * step
    zero = fill(xs, 0, 1)
    c00 = c01 = c02 = c10 = c11 = c12 = c20 = c21 = c22 = c30 = c31 = c32 = zero
    for c in range(0, step, lanes):
        x = load(xs, c, zero)
        y0, y1, y2 = (
            load(ys, j0 + c, zero),
            load(ys, j1 + c, zero),
            load(ys, j2 + c, zero),
        )
        c00 = add_square(c00, sub(x, y0))
        c01 = add_square(c01, sub(x, y1))
        c02 = add_square(c02, sub(x, y2))
        x = load(xs, step + c, zero)
        y0 = load(ys, k0 + c, zero)
        c10 = add_square(c10, sub(x, y0))
        c11 = add_square(c11, sub(x, y1))
        c12 = add_square(c12, sub(x, y2))
        x = load(xs, 2 * step + c, zero)
        y1 = load(ys, k1 + c, zero)
        c20 = add_square(c20, sub(x, y0))
        c21 = add_square(c21, sub(x, y1))
        c22 = add_square(c22, sub(x, y2))
        x = load(xs, 3 * step + c, zero)
        y2 = load(ys, k2 + c, zero)
        c30 = add_square(c30, sub(x, y0))
        c31 = add_square(c31, sub(x, y1))
        c32 = add_square(c32, sub(x, y2))
    here, there = slot * ROWS * lanes, other * ROWS * lanes
    store(costs, here, c00)
    store(costs, here + 4 * lanes, c01)
    store(costs, here + 5 * lanes, c11)
    store(costs, here + 8 * lanes, c02)
    store(costs, here + 9 * lanes, c12)
    store(costs, here + 10 * lanes, c22)
    store(costs, there + 1 * lanes, c10)
    store(costs, there + 2 * lanes, c20)
    store(costs, there + 3 * lanes, c30)
    store(costs, there + 6 * lanes, c21)
    store(costs, there + 7 * lanes, c31)
    store(costs, there + 11 * lanes, c32)
