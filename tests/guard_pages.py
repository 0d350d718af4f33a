"""Arrays that end where memory ends: one step further, and the process dies."""

import ctypes
import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["guarded"]

PROT_NONE = 0


def guarded(count: int, dtype: Any, short: int = 0) -> NDArray[Any]:
    """`count` numbers, floats NaN, flush with a page that may not be touched.

    Another such page lies before them; the last `short` numbers lie on the first one.
    """
    page = mmap.PAGESIZE
    length = (count - short) * np.dtype(dtype).itemsize
    pages = -(-length // page)
    past = short * np.dtype(dtype).itemsize // page + 1
    region = mmap.mmap(-1, (1 + pages + past) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(region))
    start = (1 + pages) * page - length
    array: NDArray[Any] = np.frombuffer(region, dtype, count, start)
    if array.dtype.kind == "f":
        array[:] = np.nan
    for guard, size in ((0, page), ((1 + pages) * page, past * page)):
        if ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + guard), size, PROT_NONE):
            raise OSError("mprotect failed")
    return array
