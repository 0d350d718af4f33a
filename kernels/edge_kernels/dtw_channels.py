"""Dynamic time warping of pairs of several channels: dtw_batches, one step further.

The costs of a tile are summed over the channels first, in blocks of 4 x 3 cells whose
sums stay in registers: 12 differences and 12 multiply-adds for 7 loads. The usual way
out, |x|^2 + |y|^2 - 2xy, cancels where x is close to y, and that is where a
reconstruction should be.

In the middle of these sums the next tile's rows of x and columns of y are transposed, a
square at a time. The sums wait for arithmetic, the squares for the shuffling port and for
memory: done in turns, each has what the other leaves free.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.lanes import add, add_square, all_finite, count, fill, least, sub
from edge_kernels.memory import aligned, load, store
from edge_kernels.shuffles import to_lanes, transpose

__all__ = ["fill_channels"]


ROWS = 4  # of a tile: what the unrolled code below spells out
SLACK = ROWS - 1  # columns over which the band enters a tile, or leaves it
PAUSE = 12  # channels that are summed between one square and the next


def fill_channels(X: NDArray[Any], Y: NDArray[Any], radius: int, out: NDArray[Any]) -> bool:
    """Distances of each X[b] to Y[b] into `out`; whether all are finite.

    Checks nothing: `dtw_batch` does. X (B, n, d) and Y (B, m, d) are C-contiguous and hold
    a register of pairs or more.
    """
    return bool(_batch(X, Y, radius, out))


@numba.njit(cache=True, nogil=True)
def _batch(X: NDArray[Any], Y: NDArray[Any], radius: int, out: NDArray[Any]) -> bool:
    n, m, channels = X.shape[1], Y.shape[1], X.shape[2]
    x, y = X.reshape(-1), Y.reshape(-1)
    scratch = aligned(x, _size(x, m, channels, radius))
    return _blocks(x, y, n, m, channels, radius, scratch, out)


@numba.njit(cache=True, nogil=True)
def _size(X: NDArray[Any], m: int, channels: int, radius: int) -> int:
    """Numbers that _blocks needs for two tiles of x, y, a row of D, a tile's costs."""
    slots = (2 * radius + 1 + SLACK) * ROWS
    return (2 * ROWS * channels + m * channels + (m + 1) + slots) * count(X)


@numba.njit(cache=True, nogil=True)
def _blocks(
    X: NDArray[Any],
    Y: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    radius: int,
    scratch: NDArray[Any],
    out: NDArray[Any],
) -> bool:
    """Distances into `out`, a register of pairs at a time; whether all are finite."""
    lanes = count(X)
    width, height = n * channels, m * channels
    xs = scratch[: 2 * ROWS * channels * lanes]
    ys = scratch[xs.size : xs.size + height * lanes]
    row = scratch[xs.size + ys.size : xs.size + ys.size + (m + 1) * lanes]
    costs = scratch[xs.size + ys.size + row.size :]
    for start in range(0, out.size, lanes):
        b = min(start, out.size - lanes)
        if radius == 0:
            to_lanes(Y, b * height, height, height, ys, 0, lanes)
            _diagonal(X, b * width, ys, n, channels, xs, row)
        else:
            _tile_by_tile(X, b * width, Y, b * height, n, m, channels, radius, xs, ys, row, costs)
        store(out, b, load(row, m * lanes, fill(X, 0, 1)))
    return all_finite(out)


@numba.njit(cache=True, nogil=True)
def _diagonal(
    X: NDArray[Any],
    start: int,
    ys: NDArray[Any],
    n: int,
    channels: int,
    xs: NDArray[Any],
    row: NDArray[Any],
) -> None:
    """Radius 0: the squared Euclidean distance."""
    lanes = count(X)
    step = channels * lanes
    total = fill(X, 0, 1)
    for i in range(n):
        to_lanes(X, start + i * channels, channels, n * channels, xs, 0, lanes)
        cost = fill(X, 0, 1)
        for at in range(0, step, lanes):
            difference = sub(load(xs, at, cost), load(ys, i * step + at, cost))
            cost = add_square(cost, difference)
        total = add(total, cost)
    store(row, n * lanes, total)


@numba.njit(cache=True, nogil=True)
def _tile_by_tile(  # noqa: PLR0915  # a tile from its costs to D, and what comes next
    X: NDArray[Any],
    start: int,
    Y: NDArray[Any],
    other: int,
    n: int,
    m: int,
    channels: int,
    radius: int,
    xs: NDArray[Any],
    ys: NDArray[Any],
    row: NDArray[Any],
    costs: NDArray[Any],
) -> None:
    """As in dtw_batches, with a tile's costs, [column][row][lane], summed first.

    `xs` holds the rows of this tile and of the next in turns, `ys` the columns that a tile
    has needed so far: D ends up in `row`.
    """
    lanes = count(X)
    inf = fill(X, np.inf, 1)
    zero = fill(X, 0, 1)
    pad = -n % ROWS
    for j in range(m + 1):
        store(row, j * lanes, inf)
    if pad == 0:
        store(row, 0, zero)
    # What a tile needs of a lane's x, or y, and squares of it; none where it has no square.
    length = ROWS * channels
    squares = -(-length // lanes) if length >= lanes else 0
    now, soon = 0, length * lanes
    xs[: pad * channels * lanes] = np.inf
    to_lanes(X, start, length - pad * channels, n * channels, xs, pad * channels * lanes, lanes)
    columns = min(m, radius + ROWS) if squares else m  # of y that are transposed
    to_lanes(Y, other, columns * channels, m * channels, ys, 0, lanes)
    for i in range(-pad, n, ROWS):
        x_at = start + (i + ROWS) * channels
        y_to = min(columns, m - ROWS) * channels
        x_squares = squares if i + ROWS < n else 0
        y_squares = squares if columns < m else 0
        columns += ROWS
        ahead = (x_at, soon, x_squares, other + y_to, y_to * lanes, y_squares)
        done = 0
        enters, leaves = i - radius, i + radius + 1
        for slot in range(3, 2 * radius + 1, 3):
            j = enters + slot
            if j + 2 >= 0 and j < m:
                done = _sum_costs(
                    xs, now, ys, n, m, channels, j, j, costs, slot, slot, X, Y, ahead, done
                )
        # The band gains its four rows over three columns at the left and loses them
        # over three at the right: the cells of both make up one block without waste.
        last = 2 * radius + 1
        done = _sum_costs(
            xs, now, ys, n, m, channels, enters, leaves, costs, 0, last, X, Y, ahead, done
        )
        # What is left: of few channels, or in a narrow band.
        if done < x_squares or (i + ROWS < n and not squares):
            t = max(0, min(done * lanes, length - lanes))
            to_lanes(X, x_at + t, length - t, n * channels, xs, soon + t * lanes, lanes)
        if y_squares and done < x_squares + y_squares:
            t = min(max(0, done - x_squares) * lanes, length - lanes)
            to_lanes(Y, other + y_to + t, length - t, m * channels, ys, (y_to + t) * lanes, lanes)
        now, soon = soon, now
        last *= ROWS
        for cell in (1, 2, 3, 6, 7, 11, last, last + 4, last + 5, last + 8, last + 9, last + 10):
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
            cell0 = _cell(load(costs, at, inf), above, corner, left0)
            cell1 = _cell(load(costs, at + lanes, inf), cell0, left0, left1)
            cell2 = _cell(load(costs, at + 2 * lanes, inf), cell1, left1, left2)
            cell3 = _cell(load(costs, at + 3 * lanes, inf), cell2, left2, left3)
            store(row, (j + 1) * lanes, cell3)
            left0, left1, left2, left3, corner = cell0, cell1, cell2, cell3, above
        store(row, 0, inf)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _cell(cost: Any, above: Any, corner: Any, left: Any) -> Any:
    return add(cost, least(left, least(corner, above)))


@numba.njit(cache=True, nogil=True, forceinline=True)
def _sum_costs(
    xs: NDArray[Any],
    rows: int,
    ys: NDArray[Any],
    n: int,
    m: int,
    channels: int,
    j: int,
    k: int,
    costs: NDArray[Any],
    here: int,
    there: int,
    X: NDArray[Any],
    Y: NDArray[Any],
    ahead: tuple[int, int, int, int, int, int],
    done: int,
) -> int:
    """Costs of the four `rows` of x against three columns from j on, to slots from `here` on.

    Row r meets column j + c where r <= c, and column k + c, of slot there + c, where
    r > c. Columns that are no part of Y leave numbers that nobody reads.

    Every PAUSE channels a square is transposed that the next tile needs, those of x before
    those of y: `ahead` tells of either where it begins, where it goes to, and how many they
    are. Returns how many are `done`.
    """
    x_at, x_to, x_squares, y_at, y_to, y_squares = ahead
    lanes = count(xs)
    step = channels * lanes
    j0 = min(max(0, j), m - 1) * step
    j1 = min(max(0, j + 1), m - 1) * step
    j2 = min(max(0, j + 2), m - 1) * step
    k0 = min(max(0, k), m - 1) * step
    k1 = min(max(0, k + 1), m - 1) * step
    k2 = min(max(0, k + 2), m - 1) * step
    zero = fill(xs, 0, 1)
    sums = (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)
    whole = channels // PAUSE * PAUSE * lanes
    for first in range(0, whole, PAUSE * lanes):
        if done < x_squares:
            t = min(done * lanes, ROWS * channels - lanes)  # the last overlaps the one before
            transpose(X, x_at + t, n * channels, xs, x_to + t * lanes, lanes)
        elif done < x_squares + y_squares:
            t = min((done - x_squares) * lanes, ROWS * channels - lanes)
            transpose(Y, y_at + t, m * channels, ys, y_to + t * lanes, lanes)
        done += 1
        for c in range(first, first + PAUSE * lanes, lanes):
            sums = _add_channel(sums, xs, rows + c, step, ys, c, j0, j1, j2, k0, k1, k2)
    for c in range(whole, step, lanes):
        sums = _add_channel(sums, xs, rows + c, step, ys, c, j0, j1, j2, k0, k1, k2)
    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32 = sums
    here, there = here * ROWS * lanes, there * ROWS * lanes
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
    return done


@numba.njit(cache=True, nogil=True, forceinline=True)
def _add_channel(
    sums: Any,
    xs: NDArray[Any],
    x: int,
    step: int,
    ys: NDArray[Any],
    c: int,
    j0: int,
    j1: int,
    j2: int,
    k0: int,
    k1: int,
    k2: int,
) -> Any:
    """The sums of _sum_costs, and one channel's squared differences on top."""
    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32 = sums
    x0 = load(xs, x, c00)
    y0, y1, y2 = load(ys, j0 + c, x0), load(ys, j1 + c, x0), load(ys, j2 + c, x0)
    c00 = add_square(c00, sub(x0, y0))
    c01 = add_square(c01, sub(x0, y1))
    c02 = add_square(c02, sub(x0, y2))
    x1 = load(xs, x + step, x0)
    y0 = load(ys, k0 + c, x0)
    c10 = add_square(c10, sub(x1, y0))
    c11 = add_square(c11, sub(x1, y1))
    c12 = add_square(c12, sub(x1, y2))
    x2 = load(xs, x + 2 * step, x0)
    y1 = load(ys, k1 + c, x0)
    c20 = add_square(c20, sub(x2, y0))
    c21 = add_square(c21, sub(x2, y1))
    c22 = add_square(c22, sub(x2, y2))
    x3 = load(xs, x + 3 * step, x0)
    y2 = load(ys, k2 + c, x0)
    c30 = add_square(c30, sub(x3, y0))
    c31 = add_square(c31, sub(x3, y1))
    c32 = add_square(c32, sub(x3, y2))
    return c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32
