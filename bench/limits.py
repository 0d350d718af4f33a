"""What this machine can do at best: the time of one vector instruction, measured.

The limit of a kernel is the instructions that its arithmetic cannot do without, times
this; loads, stores, transposing and waiting are what a kernel loses against it.
"""

import time
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.lanes import add_square, count, fill, least, load, store, sub, width

__all__ = ["instruction_ns", "spin"]

CHAINS = 8  # independent, so that no instruction waits for the one before
INSTRUCTIONS = {
    np.dtype(np.float32): 4,
    np.dtype(np.float64): 5,
}  # a cell: sub, min, min, fma


def instruction_ns(dtype: type, rounds: int = 20_000) -> float:
    """Nanoseconds per vector instruction in cells that stay in registers."""
    scratch: NDArray[Any] = np.ones(CHAINS * width(np.dtype(dtype)), dtype)
    start = time.process_time_ns()
    spin(scratch, rounds)
    elapsed = time.process_time_ns() - start
    return elapsed / (rounds * CHAINS * INSTRUCTIONS[scratch.dtype])


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def spin(scratch: NDArray[Any], rounds: int) -> None:
    """`rounds` times eight cells of the recurrence; scratch holds 8 registers."""
    lanes = count(scratch)
    like = fill(scratch, 0, 1)
    a = load(scratch, 0, like)
    b, c, d, e, f, g, h = a, a, a, a, a, a, a
    for i in range(rounds):
        y = load(scratch, i % 8 * lanes, like)
        a, b, c, d, e, f, g, h = (
            add_square(least(a, least(b, c)), sub(a, y)),
            add_square(least(b, least(c, d)), sub(b, y)),
            add_square(least(c, least(d, e)), sub(c, y)),
            add_square(least(d, least(e, f)), sub(d, y)),
            add_square(least(e, least(f, g)), sub(e, y)),
            add_square(least(f, least(g, h)), sub(f, y)),
            add_square(least(g, least(h, a)), sub(g, y)),
            add_square(least(h, least(a, b)), sub(h, y)),
        )
    store(
        scratch,
        0,
        least(least(least(a, b), least(c, d)), least(least(e, f), least(g, h))),
    )
