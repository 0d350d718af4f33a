"""What this machine can do at best, measured: a vector instruction, and a chain's step.

The limit of a kernel is the instructions that its arithmetic cannot do without, times
what one takes; loads, stores, transposing and waiting are what a kernel loses against
it. Where every diagonal waits for the one before, it is the diagonals, times what one
takes. Before either there is a call from Python, which a short pair feels.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from edge_kernels.arguments import SERIES, WHOLE, Entry
from edge_kernels.lanes import add, add_square, count, fill, least, least_bits, sub, width
from edge_kernels.memory import aligned, load, store
from edge_kernels.shuffles import lift, lower, to_lanes

__all__ = [
    "back_ns",
    "call_ns",
    "instruction_ns",
    "least_ns",
    "reading_ns",
    "step_ns",
    "transposing_ns",
]

ROUNDS = 20
SAMPLES = 10  # so short that a busy neighbour leaves some of them alone
REGISTERS = 2  # a cell of each, so that no instruction waits for the one before
CELLS = 5
INSTRUCTIONS = {  # a cell: sub, min, min, and a fused multiply-add or, rounded twice, two
    np.dtype(np.float32): 4,
    np.dtype(np.float64): 5,
}


def instruction_ns(dtype: type, rounds: int = 2_000) -> float:
    """Nanoseconds per vector instruction in cells that stay in registers."""
    instructions = CELLS * REGISTERS * INSTRUCTIONS[np.dtype(dtype)]
    return _ns(_spin, dtype, rounds) / instructions


def step_ns(dtype: type, rounds: int = 2_000) -> float:
    """Nanoseconds from one anti-diagonal to the next: a shift, a minimum, a sum."""
    return _ns(_step, dtype, rounds) / 2


def back_ns(rounds: int = 2_000) -> float:
    """Nanoseconds of one step of a path's way back: a bit is loaded, and chooses the next."""
    return least_ns(partial(_back, np.zeros(2 * rounds, np.uint8), rounds), 1) / rounds


def call_ns(arguments: tuple[Any, ...], rounds: int = 200) -> float:
    """Nanoseconds of one call, from Python, of a kernel that does nothing with `arguments`."""
    entry = NO_PAIR if len(arguments) == 3 else NO_PATH
    entry.call(*arguments)  # compile, which puts the compiled kernel in the place of `call`
    return least_ns(partial(entry.call, *arguments), rounds)


def reading_ns(x: NDArray[Any]) -> float:
    """Nanoseconds to load every number of `x` into a register, wherever it is kept."""
    return least_ns(partial(_read, x.reshape(-1)))


def transposing_ns(x: NDArray[Any]) -> float:
    """Nanoseconds to bring series (B, n) or (B, n, d) into lanes, a register of them at a time."""
    flat = x.reshape(x.shape[0], -1)
    return least_ns(partial(_transpose, flat.reshape(-1), flat.shape[1]))


def least_ns(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Nanoseconds of processor time of a run: the least mean of `rounds`, once compiled."""
    run()
    samples = []
    for _ in range(SAMPLES):
        start = time.process_time_ns()
        for _ in range(rounds):
            run()
        samples.append(time.process_time_ns() - start)
    return min(samples) / rounds


def _ns(kernel: Callable[..., None], dtype: type, rounds: int) -> float:
    scratch: NDArray[Any] = np.ones(REGISTERS * width(np.dtype(dtype)), dtype)
    return least_ns(partial(kernel, scratch, rounds), 1) / rounds


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _back(bits: NDArray[np.uint8], rounds: int) -> int:
    """`rounds` times the choice between two places, by two bits of the place before."""
    at, half = 0, np.uintp(bits.size // 2)
    for _ in range(rounds):
        octet, bit = np.uintp(at >> 3), at & 7
        near, far = at + 1, at + 2
        beside, maybe = int(bits[half + octet]) >> bit & 1, int(bits[octet]) >> bit & 1
        at = far if maybe else near
        at = far if beside else at
    return at


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _no_pair(_x: Any, _y: Any, _radius: Any) -> float:
    return 0.0


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _no_path(_x: Any, _y: Any, _radius: Any, _path: Any, _profile: Any) -> tuple[float, int]:
    return 0.0, 0


NO_PAIR = Entry(_no_pair, SERIES, SERIES, WHOLE)
NO_PATH = Entry(_no_path, SERIES, SERIES, WHOLE, SERIES, SERIES)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _read(x: NDArray[Any]) -> float:
    lanes = count(x)
    a = b = c = d = fill(x, 0, 1)
    for at in range(0, x.size - 4 * lanes + 1, 4 * lanes):
        a, b = add(a, load(x, at, a)), add(b, load(x, at + lanes, a))
        c, d = add(c, load(x, at + 2 * lanes, a)), add(d, load(x, at + 3 * lanes, a))
    kept = np.empty(lanes, x.dtype)
    store(kept, 0, add(add(a, b), add(c, d)))
    return float(kept[0])


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _transpose(x: NDArray[Any], length: int) -> None:
    lanes = count(x)
    target = aligned(x, length * lanes)
    for start in range(0, x.size - length * lanes + 1, length * lanes):
        to_lanes(x, start, length, length, target, 0, lanes)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _spin(scratch: NDArray[Any], rounds: int) -> None:
    """`rounds` times five cells of the recurrence, two registers each."""
    a = y = load(scratch, 0, fill(scratch, 0, 2))
    b, c, d, e = a, a, a, a
    for _ in range(rounds):
        a, b, c, d, e = (
            add_square(least(a, least(b, c)), sub(a, y)),
            add_square(least(b, least(c, d)), sub(b, y)),
            add_square(least(c, least(d, e)), sub(c, y)),
            add_square(least(d, least(e, a)), sub(d, y)),
            add_square(least(e, least(a, b)), sub(e, y)),
        )
    store(scratch, 0, least(least(least(a, b), least(c, d)), e))


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba's are
def _step(scratch: NDArray[Any], rounds: int) -> None:
    """`rounds` times an even diagonal and an odd one, each of one register."""
    even = odd = cost = load(scratch, 0, fill(scratch, 0, 1))
    for _ in range(rounds):
        even = add(least_bits(least_bits(even, odd), lift(odd, cost)), cost)
        odd = add(least_bits(least_bits(odd, even), lower(even, cost)), cost)
    store(scratch, 0, least(even, odd))
