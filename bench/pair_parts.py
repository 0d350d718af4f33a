"""Where the time of a pair goes: its parts by themselves, and what limits each.

Each is what a pair's kernel calls, on the table's own data, repeated in a compiled loop;
the rest of the whole is Python, the call, and what a part waits for behind another.
"""

from functools import partial
from typing import Any

import numba
import numpy as np
from elastic import reconstructions
from limits import back_ns, call_ns, instruction_ns, least_ns, step_ns
from numpy.typing import NDArray

from edge_kernels import band_radius, dtw, dtw_pair, dtw_path, dtw_paths
from edge_kernels.diagonals import first_round, last_round, layout, pad_series
from edge_kernels.lanes import count, fill_bytes, size, width
from edge_kernels.memory import aligned

__all__ = ["part_rows"]

ROUNDS = 300
HEAD = """\
| us | whole | empty call | series laid out | chains | at least | way back | at least | rest |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""
NOTE = """\
## Where a pair's time goes

Parts by themselves, the least seen, in a compiled loop: the call from Python of a kernel that
does nothing, the series laid out between their padding, the chains of diagonals, and a path's
way back. Beside the last two is the least that they can take: the chains' is the larger of
their vector instructions and of their diagonals one behind the other, the way back's its steps,
each a load that waits for the choice before it. The rest is Python and what one part waits for
behind another; in a path, the arrays that it returns, which NumPy allocates.
"""


def part_rows() -> str:
    """Markdown: the note, and a line for each length of a pair and of a path."""
    lines = [_pair(n) for n in (96, 256, 672)] + [_path(n) for n in (96, 672)]
    return f"{NOTE}\n{HEAD}{''.join(lines)}"


def _pair(n: int) -> str:
    x, y, radius = _data(n)
    whole, call = least_ns(lambda: dtw(x, y, radius), ROUNDS), call_ns((x, y, radius))
    laid, chains = (_repeated(_pair_parts, x, y, radius, part) for part in range(2))
    limit = _limit(n, radius, steps=n, instructions=5)
    return _line(f"one pair, n = {n}", whole, call, laid, chains, limit, 0, 0)


def _path(n: int) -> str:
    x, y, radius = _data(n)
    path, profile = np.empty((2 * n, 2), np.intp), np.empty(n, x.dtype)
    whole = least_ns(lambda: dtw_path(x, y, radius), ROUNDS)
    call = call_ns((x, y, radius, path, profile))
    laid, chains, back = (_repeated(_path_parts, x, y, radius, part) for part in range(3))
    limit = _limit(n, radius, steps=2 * n - 1, instructions=7)
    steps = len(dtw_path(x, y, radius)[1])
    ways = back, steps * back_ns()
    return _line(f"path and profile, n = {n}", whole, call, laid, chains, limit, *ways)


def _line(name: str, whole: float, *parts: float) -> str:
    """`parts`: call, laid out, chains, their limit, way back, its limit."""
    call, laid, chains, _, back, _ = parts
    figures = (whole, *parts, whole - call - laid - chains - back)
    return f"| {name} | " + " | ".join(f"{ns / 1e3:.2f}" if ns else "" for ns in figures) + " |\n"


def _data(n: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    x, y = (series[0].astype(np.float32) for series in reconstructions(1, n, 1))
    return x, y, band_radius(n, 0.1)


def _limit(n: int, radius: int, *, steps: int, instructions: int) -> float:
    of_one = -(-(radius + 1) // width(np.dtype(np.float32))) * instructions
    return max((2 * n - 1) * of_one * instruction_ns(np.float32), steps * step_ns(np.float32))


def _repeated(kernel: Any, *arguments: Any) -> float:
    return least_ns(partial(kernel, *arguments, ROUNDS), 1) / ROUNDS


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _pair_parts(x: NDArray[Any], y: NDArray[Any], radius: int, part: int, repeats: int) -> float:
    """0: lay the series out; 1: both chains."""
    n, m = x.size, y.size
    scratch = aligned(x, dtw_pair._size(x, n, m, radius))
    total = dtw_pair._meet(x, y, n, m, radius, scratch)
    wide, pad, pitch = layout(count(x), n, m, radius)
    x_at, y_at = first_round(m, radius)
    x_back, y_back = last_round(n, m, radius)
    ys = pitch + pad
    starts = (pad + x_at, ys + y_at, pad + x_back, ys + y_back)
    for _ in range(repeats):
        if part == 0:
            pad_series(x, n, np.inf, scratch, 0, pad, pitch, 1)
            pad_series(y, m, -np.inf, scratch, pitch, pad, pitch, -1)
        else:
            total += dtw_pair._chains(scratch, starts, None, n, m, radius, wide, 2 * pitch)
    return float(total)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _path_parts(x: NDArray[Any], y: NDArray[Any], radius: int, part: int, repeats: int) -> float:
    """0: lay the series out; 1: the chain; 2: the way back."""
    n, m = x.size, y.size
    numbers, octets = dtw_paths._size(x, n, m, 1, radius)
    memory = aligned(x, numbers + octets // x.itemsize + 1)
    scratch, bits = memory[:numbers], memory[numbers:].view(np.uint8)[:octets]
    path, profile = np.empty((n + m, 2), np.intp), np.empty_like(x)
    total = dtw_paths._trace(x, y, n, m, radius, scratch, bits, path, profile)[0]
    wide, pad, pitch = layout(size(fill_bytes(x, 0)), n, m, radius)
    x_at, y_at = first_round(m, radius)
    starts = pad + x_at, pitch + pad + y_at
    for _ in range(repeats):
        if part == 0:
            pad_series(x, n, np.inf, scratch, 0, pad, pitch, 1)
            pad_series(y, m, -np.inf, scratch, pitch, pad, pitch, -1)
        elif part == 1:
            total += dtw_paths._chain(scratch, starts, None, n, m, radius, wide, 2 * pitch, bits)
        else:
            total += dtw_paths._walk(x, y, scratch, None, n, m, radius, wide, bits, path, profile)
    return float(total)
