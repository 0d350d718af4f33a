"""Anti-diagonals of the band: which cell a lane is, and series laid out to meet so.

The cells of an anti-diagonal i + j = k do not depend on each other, only on those of
k - 1 and k - 2, before or behind. Lane l of diagonal k is the cell with

    i = first(k) + l,  first(k) = ceil((k - radius) / 2),

so that the band is as many lanes wide everywhere: radius + 1 on even diagonals, those on
which k - radius is even, and radius on the odd ones between. Lane l of an even diagonal
has its neighbours, seen from either side, in lanes l and l - 1 of the odd one; lane l of
an odd one has them in lanes l and l + 1 of the even one; and two diagonals away the
neighbour is always lane l. A dynamic programme from the end towards the start therefore
is the same instructions as one from the start.

x is padded with +inf, and y, which runs backwards, with -inf: a cell outside the matrix
costs +inf. What ends the band is a wall of +inf that is added to odd diagonals from lane
`radius` on; beside even ones no cell of the band looks.

A path starts two diagonals before the matrix, at D[-1, -1] = 0, or at D[n, m] = 0 where
it runs back. Either is a zero among +inf, in the lane that the formula gives for it.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.lanes import add, add_square, count, fill, ledge, sub
from edge_kernels.memory import load, store
from edge_kernels.shuffles import reverse, transpose

__all__ = [
    "WEEK",
    "cost_at",
    "costs_of_channels",
    "costs_size",
    "first_round",
    "grown",
    "grown_soon",
    "last_round",
    "layout",
    "pad_channels",
    "pad_series",
    "rounds",
    "start_in",
    "wall",
]

WEEK = 5
"""Registers of a band that is compiled by itself: a tenth of 672 quarter hours, in float32
and registers of 512 bits. A loop over a known number of registers is written out."""

ROUNDS = 4  # whose costs are summed at once: what the unrolled code below spells out


@numba.njit(cache=True, nogil=True)
def layout(lanes: int, n: int, m: int, radius: int) -> tuple[int, int, int]:
    """Lanes of a diagonal in whole registers, pad before a series, length of a padded one."""
    wide = -(-(radius + 1) // lanes) * lanes
    pad = radius + 2 + ROUNDS
    return wide, pad, ((pad + max(n, m) + wide + ROUNDS) // lanes + 2) * lanes


@numba.njit(cache=True, nogil=True)
def rounds(n: int, m: int, radius: int) -> int:
    """Pairs of an even diagonal and the odd one behind it that cover the matrix.

    The last odd one is beyond it; so is the first even one where the radius is odd.
    """
    return (n + m - 1 + (radius & 1) + (n + m - radius & 1) + 1) // 2


@numba.njit(cache=True, nogil=True)
def first_round(m: int, radius: int) -> tuple[int, int]:
    """Where lane 0 of the first even diagonal is in x, and in y backwards.

    Its odd one begins a sample further in x; the next round one more there, one less in y.
    """
    first = -((radius + 1) // 2)
    return first, first + m - 1 + (radius & 1)


@numba.njit(cache=True, nogil=True)
def last_round(n: int, m: int, radius: int) -> tuple[int, int]:
    """Where lane 0 of the last even diagonal is in x, and in y backwards."""
    x, y = first_round(m, radius)
    further = rounds(n, m, radius) - 1
    return x + further, y - further


@numba.njit(cache=True, nogil=True)
def pad_series(
    series: NDArray[Any],
    n: int,
    padding: float,
    scratch: NDArray[Any],
    at: int,
    pad: int,
    pitch: int,
    step: int,
) -> None:
    """`n` samples to at + pad of the `pitch` numbers from `at` on, between padding.

    Backwards in time if `step` is -1 instead of 1.
    """
    lanes = count(series)
    edge = fill(series, padding, 1)
    _pad_edges(scratch, at, pad, n, pitch, edge)
    at += pad
    if n < lanes:
        for i in range(n):
            scratch[at + (i if step > 0 else n - 1 - i)] = series[i]
        return
    for start in range(0, n, lanes):
        i = min(start, n - lanes)  # the last register overlaps the one before
        block = load(series, i, edge)
        if step > 0:
            store(scratch, at + i, block)
        else:
            store(scratch, at + n - lanes - i, reverse(block))


@numba.njit(cache=True, nogil=True)
def pad_channels(
    series: NDArray[Any],
    n: int,
    channels: int,
    padding: float,
    scratch: NDArray[Any],
    at: int,
    pad: int,
    pitch: int,
    step: int,
) -> None:
    """As pad_series for each channel, [time][channel] -> [channel][time]."""
    lanes = count(series)
    edge = fill(series, padding, 1)
    for c in range(channels):
        _pad_edges(scratch, at + c * pitch, pad, n, pitch, edge)
    at += pad
    if n < lanes or channels < lanes:
        for i in range(n):
            to = at + (i if step > 0 else n - 1 - i)
            for c in range(channels):
                scratch[to + c * pitch] = series[i * channels + c]
        return
    for row in range(0, n, lanes):  # in squares, the last of which overlap the ones before
        i = min(row, n - lanes)
        for column in range(0, channels, lanes):
            c = min(column, channels - lanes)
            to = at + c * pitch
            if step > 0:
                transpose(series, i * channels + c, channels, scratch, to + i, pitch)
            else:
                end, to = i + lanes - 1, to + n - lanes - i
                transpose(series, end * channels + c, -channels, scratch, to, pitch)


@numba.njit(cache=True, nogil=True, forceinline=True)
def _pad_edges(scratch: NDArray[Any], at: int, pad: int, n: int, pitch: int, edge: Any) -> None:
    lanes = count(scratch)
    for t in range(0, pad, lanes):
        store(scratch, at + t, edge)
    for t in range(pad + n, pitch, lanes):
        store(scratch, at + min(t, pitch - lanes), edge)


@numba.njit(cache=True, nogil=True)
def costs_size(n: int, m: int, radius: int, wide: int) -> int:
    """Numbers that costs_of_channels writes."""
    return 2 * (rounds(n, m, radius) + ROUNDS - 1) * wide


@numba.njit(cache=True, nogil=True)
def costs_of_channels(
    scratch: NDArray[Any],
    xs: int,
    ys: int,
    channels: int,
    pitch: int,
    rounds: int,
    wide: int,
    radius: int,
    costs: int,
) -> None:
    """Squared differences summed over the channels, [round][even, odd][lane], to `costs`.

    xs and ys are where lane 0 of the first even diagonal is. Four rounds at once need 9
    loads for 8 registers of differences, and their sums do not wait for each other. The
    odd ones begin with the wall. Up to three rounds more than `rounds` are written.
    """
    lanes = count(scratch)
    zero = fill(scratch, 0, 1)
    for at in range(0, wide, lanes):
        brim = wall(zero, radius - at)
        for t in range(0, rounds, ROUNDS):
            even0 = even1 = even2 = even3 = zero
            odd0 = odd1 = odd2 = odd3 = brim
            for c in range(channels):
                x, y = xs + c * pitch + at + t, ys + c * pitch + at - t
                x0, y0 = load(scratch, x, zero), load(scratch, y, zero)
                x1, y1 = load(scratch, x + 1, zero), load(scratch, y - 1, zero)
                x2, y2 = load(scratch, x + 2, zero), load(scratch, y - 2, zero)
                x3, y3 = load(scratch, x + 3, zero), load(scratch, y - 3, zero)
                x4 = load(scratch, x + 4, zero)
                even0, odd0 = add_square(even0, sub(x0, y0)), add_square(odd0, sub(x1, y0))
                even1, odd1 = add_square(even1, sub(x1, y1)), add_square(odd1, sub(x2, y1))
                even2, odd2 = add_square(even2, sub(x2, y2)), add_square(odd2, sub(x3, y2))
                even3, odd3 = add_square(even3, sub(x3, y3)), add_square(odd3, sub(x4, y3))
            for to, even, odd in (
                (costs + 2 * t * wide + at, even0, odd0),
                (costs + 2 * (t + 1) * wide + at, even1, odd1),
                (costs + 2 * (t + 2) * wide + at, even2, odd2),
                (costs + 2 * (t + 3) * wide + at, even3, odd3),
            ):
                store(scratch, to, even)
                store(scratch, to + wide, odd)


@numba.njit(cache=True, nogil=True, forceinline=True)
def wall(like: Any, radius: int) -> Any:
    """What odd diagonals add: 0, and +inf from lane `radius` on."""
    return ledge(like, radius, 0, np.inf)


@numba.njit(cache=True, nogil=True, forceinline=True)
def start_in(like: Any, lane: int) -> Any:
    """0 in one lane, +inf in all others."""
    return add(ledge(like, lane, np.inf, 0), ledge(like, lane + 1, 0, np.inf))


@numba.njit(cache=True, nogil=True, forceinline=True)
def cost_at(costs: int | None, at: int) -> int | None:
    """Where in `costs`, if there are such: numba compiles either case by itself."""
    if costs is None:
        return None
    return costs + at


@numba.njit(cache=True, nogil=True, forceinline=True)
def grown(best: Any, scratch: NDArray[Any], x: int, y: int, cost: int | None) -> Any:
    """`best` plus the costs of a register of cells, of one channel or summed at `cost`."""
    if cost is None:
        return add_square(best, sub(load(scratch, x, best), load(scratch, y, best)))
    return add(best, load(scratch, cost, best))


@numba.njit(cache=True, nogil=True, forceinline=True)
def grown_soon(
    best: Any, scratch: NDArray[Any], x: int, y: int, cost: int | None, ground: Any
) -> Any:
    """As grown, plus `ground`, sooner after `best` is known, for one instruction more."""
    if cost is None:
        difference = sub(load(scratch, x, best), load(scratch, y, best))
        return add(best, add_square(ground, difference))
    return add(best, load(scratch, cost, best))
