"""Memory for lanes: where they are loaded from, stored to, and get room.

Nothing here checks a bound: a `load` or `store` outside its array reads or corrupts
foreign memory. The public functions size every buffer for the kernels that use these.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

__all__ = ["aligned", "load", "on_stack", "place_of", "store", "store_below"]

CACHE_LINE = 64  # bytes, and the widest register
STACK_BYTES = 16_384  # of a thread's stack, of which even small systems give 128 KB


@intrinsic
def load(_context: Any, array: Any, at: Any, like: Any) -> Any:
    """array[at : at + lanes], as many lanes as `like` has; `array` is contiguous."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector = context.get_value_type(like)
        place = place_of(context, builder, array, args[0], args[1], vector)
        return builder.load(place, align=array.dtype.bitwidth // 8)

    return like(array, types.intp, like), generate


@intrinsic
def store(_context: Any, array: Any, at: Any, lanes: Any) -> Any:
    """array[at : at + lanes] = lanes; `array` is contiguous."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector = context.get_value_type(lanes)
        place = place_of(context, builder, array, args[0], args[1], vector)
        builder.store(args[2], place, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@intrinsic
def store_below(_context: Any, array: Any, at: Any, a: Any, b: Any) -> Any:
    """Bit l of the bytes from array[at] on: whether a < b in lane l."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        below = builder.fcmp_ordered("<", args[2], args[3])
        bits = builder.bitcast(below, ir.IntType(a.count))
        builder.store(bits, place_of(context, builder, array, args[0], args[1], bits.type), align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, a, b), generate


@intrinsic
def on_stack(_context: Any, like: Any) -> Any:
    """STACK_BYTES of the dtype of `like`, uninitialised, from a cache line on.

    They are gone when the kernel that asks returns, and cost nothing; memory from the heap
    costs as much as a quarter of a short pair's distance.
    """
    numbers = types.Array(like.dtype, 1, "C")

    def generate(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
        number = context.get_value_type(like.dtype)
        length = STACK_BYTES * 8 // like.dtype.bitwidth
        with builder.goto_entry_block():  # once, even if the kernel asks in a loop
            memory = builder.alloca(ir.ArrayType(number, length))
            memory.align = CACHE_LINE
        array = context.make_array(numbers)(context, builder)
        intp = context.get_value_type(types.intp)
        itemsize = ir.Constant(intp, like.dtype.bitwidth // 8)
        populate_array(
            array,
            data=builder.bitcast(memory, number.as_pointer()),
            shape=cgutils.pack_array(builder, [ir.Constant(intp, length)]),
            strides=cgutils.pack_array(builder, [itemsize]),
            itemsize=itemsize,
            meminfo=None,
        )
        return array._getvalue()  # noqa: SLF001  # numba's own way to build one

    return numbers(like), generate


@numba.njit(cache=True, nogil=True)
def aligned(like: NDArray[Any], length: int) -> NDArray[Any]:
    """`length` numbers of the dtype of `like`, uninitialised, from a cache line on."""
    memory = np.empty(length + CACHE_LINE // like.itemsize, like.dtype)
    start = -memory.ctypes.data % CACHE_LINE // like.itemsize
    return memory[start : start + length]


def place_of(context: Any, builder: Any, array: Any, value: Any, at: Any, vector: ir.Type) -> Any:
    """A pointer to a vector at array[at]."""
    start = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(start, [at]), vector.as_pointer())
