"""Compiled kernels by precision, for calls as short as numba's search for the right one.

numba finds the compiled form of a kernel by the types of all its arguments, which takes
0.1 us, and checking beforehand that it will find one takes more. Where a pair's distance
takes half a microsecond, its caller looks only at what its kernel cannot see.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Entries", "learn"]

# A kernel's C functions by the precision of its first argument. A plain dict: Python finds
# an entry of a class derived from it more slowly.
Entries = dict[np.dtype[Any], Callable[..., Any]]


def learn(entries: Entries, kernel: Any) -> None:
    """Take over what `kernel`, a dispatcher, has compiled so far.

    What is taken over trusts the caller: an array of another precision or number of
    dimensions corrupts memory. A kernel that is called so checks by itself that its arrays
    are contiguous.
    """
    if len(entries) == len(kernel.overloads):
        return  # all of them; to name their precisions again would take microseconds
    for (first, *_), compiled in kernel.overloads.items():
        entries[np.dtype(first.dtype.name)] = compiled.entry_point
