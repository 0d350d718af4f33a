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

from edge_kernels.arguments import FLOAT32, FLOAT64, SERIES, WHOLE, Entry
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
    all_finite,
    count,
    fill,
    fill_like,
    least,
    size,
    sub,
    width,
)
from edge_kernels.memory import aligned, load, store
from edge_kernels.shuffles import to_lanes

__all__ = ["dtw_batch"]
REFUSED = -1  # what the kernel says to arguments that it does not take
ROWS = 4  # of a tile: what the unrolled code below spells out
SLACK = ROWS - 1  # columns that a tile may read behind the last
CHUNK = 16  # rows of x that are transposed at a time: more would displace y and D from L1


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
        TypeError: X or Y is neither float32 nor float64, or the radius no integer.
        ValueError: Shapes, radius, `out` or `threads` do not fit; an empty input.
    """
    if cost != "squared":
        check_cost(cost)
    if out is None and threads == 1 and type(X) is np.ndarray:
        distances = np.empty(X.shape[:1], X.dtype)
        finite = BATCH.call(X, Y, radius, distances)
        if finite != REFUSED:
            if not finite:
                mark_unusable(X, np.asarray(Y), distances)
            return distances
    return _checked(X, Y, radius, out, threads)


def _checked(
    X: ArrayLike, Y: ArrayLike, radius: int, out: NDArray[Any] | None, threads: int
) -> NDArray[Any]:
    """What `dtw_batch` returns or raises, whatever its arguments are."""
    X, Y = check_pair(X, Y)
    pairs, n, m, channels = check_batch(X, Y)
    radius = check_radius(n, m, radius)
    if channels == 1 and X.ndim > 2:
        X, Y = X.reshape(pairs, n), Y.reshape(pairs, m)
    if out is None:
        out = np.empty(pairs, X.dtype)
    elif out.shape != (pairs,) or out.dtype != X.dtype or not out.flags.carray:
        raise ValueError(f"out must be a contiguous {X.dtype} array of shape ({pairs},)")
    plain = np.asarray(out)  # a memmap's memory, say: the kernel reads no class but NumPy's own
    if not _fill(X, Y, radius, plain, threads):
        mark_unusable(X, Y, plain)
    return out


def _fill(X: NDArray[Any], Y: NDArray[Any], radius: int, out: NDArray[Any], threads: int) -> bool:
    """Distances of pairs as few, by threads as many as may be; whether all are finite."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    kernel = fill_channels if X.ndim > 2 else BATCH.call
    pairs, lanes = out.size, width(out.dtype)
    if threads == 1 and pairs >= lanes:
        return bool(kernel(X, Y, radius, out))
    if pairs < lanes:  # the kernel works on whole registers
        spare = [*range(pairs), *[pairs - 1] * (lanes - pairs)]
        whole = np.empty(lanes, out.dtype)
        finite = kernel(X[spare], Y[spare], radius, whole)
        out[:] = whole[:pairs]
        return bool(finite)
    share = max(lanes, -(-pairs // threads))
    starts = range(0, pairs - lanes + 1, share)
    parts = [slice(b, e) for b, e in zip(starts, [*starts[1:], pairs], strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(kernel, X[part], Y[part], radius, out[part]) for part in parts]
    # Every part is asked, not only up to the first that is not finite: each may raise.
    return all(list(map(Future.result, done)))


@numba.njit(cache=True, nogil=True)
def _batch(X: Any, Y: Any, radius: Any, out: Any) -> int:
    """Whether all distances are finite; REFUSED where the arguments need a closer look.

    X and Y of shape (B, n) and (B, m), to the kernel `channels` of B steps, and `out` (B,).
    """
    pairs, n, m, band = X.n, X.channels, Y.channels, radius.value
    if X.axes != 2 or Y.axes != 2 or X.precision != Y.precision or Y.n != pairs:
        return REFUSED
    if out.axes != 1 or out.n != pairs or out.precision != X.precision:
        return REFUSED
    if min(n, m) == 0 or band < abs(n - m):
        return REFUSED
    band = min(band, max(n, m) - 1)
    if X.precision == FLOAT32:
        a = numba.carray(X.data, pairs * n, np.float32)
        b = numba.carray(Y.data, pairs * m, np.float32)
        return _distances(a, b, n, m, band, numba.carray(out.data, pairs, np.float32))
    if X.precision == FLOAT64:
        c = numba.carray(X.data, pairs * n, np.float64)
        d = numba.carray(Y.data, pairs * m, np.float64)
        return _distances(c, d, n, m, band, numba.carray(out.data, pairs, np.float64))
    return REFUSED


BATCH = Entry(_batch, SERIES, SERIES, WHOLE, SERIES)


@numba.njit(cache=True, nogil=True)
def _distances(
    x: NDArray[Any], y: NDArray[Any], n: int, m: int, radius: int, out: NDArray[Any]
) -> int:
    """As _batch, of flat series; checks nothing but that there is a register of pairs."""
    if out.size < count(x):
        return REFUSED
    return int(_blocks(x, y, n, m, radius, aligned(x, _size(x, m)), out))


@numba.njit(cache=True, nogil=True)
def _size(X: NDArray[Any], m: int) -> int:
    """Numbers that _blocks needs: rows of x, y, and a row of D, of two registers each."""
    return ((SLACK + CHUNK) + 2 * (m + 1 + SLACK)) * 2 * count(X)


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
    """Distances into `out`, which holds a register or more; whether all are finite.

    Two registers of pairs at a time: in one alone every cell waits for its neighbour,
    and half of the instructions that could be done meanwhile are not there.
    """
    lanes = count(X)
    xs = scratch[: (SLACK + CHUNK) * 2 * lanes]
    ys = scratch[xs.size :]
    both = out.size // (2 * lanes) * 2 * lanes
    for b in range(0, both, 2 * lanes):
        store(out, b, _block(X, Y, b, n, m, radius, xs, ys, fill(X, np.inf, 2)))
    for start in range(both, out.size, lanes):
        b = min(start, out.size - lanes)  # the last block overlaps the one before
        store(out, b, _block(X, Y, b, n, m, radius, xs, ys, fill(X, np.inf, 1)))
    return all_finite(out)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _block(
    X: NDArray[Any],
    Y: NDArray[Any],
    b: int,
    n: int,
    m: int,
    radius: int,
    xs: NDArray[Any],
    ys: NDArray[Any],
    inf: Any,
) -> Any:
    """Distances of the pairs from `b` on, as many as `inf` has lanes."""
    lanes = size(inf)
    _transpose(Y, b * m, m, m, ys, 2 * lanes, 2 * lanes, inf)
    for j in range(m, m + SLACK):
        store(ys, 2 * (j + 1) * lanes, fill_like(inf, 0))
    if radius < 2:  # narrower than a tile
        _row_by_row(X, b * n, xs, ys, n, m, radius, inf)
    else:
        _tile_by_tile(X, b * n, xs, ys, n, m, radius, inf)
    return load(ys, (2 * m + 1) * lanes, inf)


@numba.njit(cache=True, nogil=True)
def _transpose(
    series: NDArray[Any],
    at: int,
    length: int,
    stride: int,
    target: NDArray[Any],
    to: int,
    pitch: int,
    like: Any,
) -> None:
    """[lane][t] -> [t][lane] for as many pairs as `like` has lanes."""
    for lane in range(0, size(like), count(series)):
        to_lanes(series, at + lane * stride, length, stride, target, to + lane, pitch)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cell(x: Any, y: Any, above: Any, corner: Any, left: Any) -> Any:
    # This order of operands carries a NaN on: see mark_unusable.
    return add_square(least(left, least(corner, above)), sub(x, y))


@numba.njit(cache=True, nogil=True)
def _row_by_row(
    X: NDArray[Any],
    start: int,
    xs: NDArray[Any],
    ys: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    inf: Any,
) -> None:
    """Into `ys`: at 2 (j + 1) it holds y[j], behind that the row of D, in place."""
    lanes = size(inf)
    for j in range(m + 1):
        store(ys, (2 * j + 1) * lanes, inf)
    store(ys, lanes, fill_like(inf, 0))
    for i in range(n):
        if i % CHUNK == 0:
            _transpose(X, start + i, min(CHUNK, n - i), n, xs, 0, lanes, inf)
        x = load(xs, i % CHUNK * lanes, inf)
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
    X: NDArray[Any],
    start: int,
    xs: NDArray[Any],
    ys: NDArray[Any],
    n: int,
    m: int,
    radius: int,
    inf: Any,
) -> None:
    """As _row_by_row, four rows at a time; radius >= 2.

    Rows of +inf fill the first tile from above, so that the last row is a bottom row.
    y and D share an array because at some distances a load of one would wait for a
    store to the other (addresses that agree in their low 12 bits).
    """
    lanes = size(inf)
    zero = fill_like(inf, 0)
    for j in range(m + 1 + SLACK):
        store(ys, (2 * j + 1) * lanes, inf)
    for j in range(SLACK):
        store(xs, j * lanes, inf)
    end = 0  # of the rows of x that are transposed
    for i in range(-(-n % ROWS), n, ROWS):
        if i + ROWS > end:
            chunk = min(CHUNK, n)
            end = min(max(0, i) + chunk, n)
            _transpose(X, start + end - chunk, chunk, n, xs, SLACK * lanes, lanes, inf)
        at = (SLACK + i + min(CHUNK, n) - end) * lanes
        x0 = load(xs, at, inf)
        x1 = load(xs, at + lanes, inf)
        x2 = load(xs, at + 2 * lanes, inf)
        x3 = load(xs, at + 3 * lanes, inf)
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
