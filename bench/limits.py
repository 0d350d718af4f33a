"""What this machine can do at best: the time of one vector instruction, measured.

The limit of a kernel is the instructions that its arithmetic cannot do without, times
this; loads, stores, transposing and waiting are what a kernel loses against it.
"""

import time
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.lanes import add_square, fill, least, load, store, sub, width

__all__ = ["instruction_ns", "spin"]

REGISTERS = 2  # a cell of each, so that no instruction waits for the one before
CELLS = 5
INSTRUCTIONS = {  # a cell: sub, min, min, and a fused multiply-add or, rounded twice, two
    np.dtype(np.float32): 4,
    np.dtype(np.float64): 5,
}


def instruction_ns(dtype: type, rounds: int = 20_000) -> float:
    """Nanoseconds per vector instruction in cells that stay in registers."""
    scratch: NDArray[Any] = np.ones(REGISTERS * width(np.dtype(dtype)), dtype)
    start = time.process_time_ns()
    spin(scratch, rounds)
    elapsed = time.process_time_ns() - start
    return elapsed / (rounds * CELLS * REGISTERS * INSTRUCTIONS[scratch.dtype])


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def spin(scratch: NDArray[Any], rounds: int) -> None:
    """`rounds` times five cells of the recurrence, two registers each."""
    a = y = load(scratch, 0, fill(scratch, 0, 2))
    b, c, d, e = a, a, a, a
    for _ in range(rounds):
        a = add_square(least(a, least(b, c)), sub(a, y))
        b = add_square(least(b, least(c, d)), sub(b, y))
        c = add_square(least(c, least(d, e)), sub(c, y))
        d = add_square(least(d, least(e, a)), sub(d, y))
        e = add_square(least(e, least(a, b)), sub(e, y))
    store(scratch, 0, least(least(least(a, b), least(c, d)), e))
