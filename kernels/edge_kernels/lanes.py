"""A vector type for kernels: as many numbers as one register of this CPU holds.

LLVM vectorises plain loops over dynamic programming poorly: the recurrence runs along
both axes and alias checks defeat it. These intrinsics name the registers instead. The
same kernel becomes AVX-512, AVX2, SSE or NEON code, because LLVM lowers its vector type
to whatever the target has; only the number of lanes is chosen here.

Here are the type and its arithmetic; memory.py loads and stores, shuffles.py moves numbers
between lanes.

numba inlines intrinsics into the kernel's compiled code, and that code is cached by
file. `edge_kernels.cache` therefore stamps the cache with all the files together.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model
from numpy.typing import NDArray

__all__ = [
    "INDEX",
    "REGISTER_BYTES",
    "Lanes",
    "add",
    "add_square",
    "all_finite",
    "count",
    "fill",
    "fill_bytes",
    "fill_like",
    "lane_count",
    "least",
    "least_bits",
    "ledge",
    "mask",
    "register_bytes",
    "size",
    "sub",
    "width",
]


def register_bytes(features: str) -> int:
    """The widest vector register in a list of LLVM target features such as "+avx2"."""
    wide = {"+avx512f": 64, "+avx2": 32}
    return max((wide.get(name, 16) for name in features.split(",")), default=16)


INDEX = ir.IntType(32)  # of lanes

# The features numba compiles for: NUMBA_CPU_NAME and NUMBA_CPU_FEATURES included.
_, _, FEATURES = cpu_target.target_context.codegen().magic_tuple()
REGISTER_BYTES = register_bytes(FEATURES)


def width(dtype: np.dtype[Any]) -> int:
    """Numbers of `dtype` in one register: what `count` is to a kernel."""
    return REGISTER_BYTES // dtype.itemsize


class Lanes(types.Type):  # type: ignore[misc]  # numba's is untyped
    """`count` numbers of `dtype`, side by side in one or more registers."""

    def __init__(self, dtype: types.Type, count: int) -> None:
        self.dtype = dtype
        self.count = count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]  # numba's is untyped
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        number = manager.lookup(lanes.dtype).get_value_type()
        super().__init__(manager, lanes, ir.VectorType(number, lanes.count))


@intrinsic
def count(_context: Any, array: Any) -> Any:
    """Numbers of the array's dtype in one register, a constant to the compiler."""
    number = ir.Constant(ir.IntType(types.intp.bitwidth), lane_count(array))
    return types.intp(array), lambda _context, _builder, _signature, _args: number


@intrinsic(prefer_literal=True)
def fill(_context: Any, array: Any, value: Any, registers: Any) -> Any:
    """`registers` (a literal) registers of the array's dtype, `value` in every lane."""
    lanes = Lanes(array.dtype, registers.literal_value * lane_count(array))
    return lanes(array, value, registers), _filler(lanes, value)


@intrinsic
def fill_like(_context: Any, lanes: Any, value: Any) -> Any:
    """`value` in every lane, as many as `lanes` has."""
    return lanes(lanes, value), _filler(lanes, value)


@intrinsic
def ledge(_context: Any, like: Any, lane: Any, low: Any, high: Any) -> Any:
    """`low` in the lanes before number `lane`, `high` in the others, as many as `like` has."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        numbers = Lanes(types.int32, like.count)
        order = ir.Constant(context.get_value_type(numbers), list(range(like.count)))
        asked = _filler(numbers, types.intp)(context, builder, None, args)
        before = builder.icmp_signed("<", order, asked)
        values = [
            _filler(like, value)(context, builder, None, [None, number])
            for value, number in ((low, args[2]), (high, args[3]))
        ]
        return builder.select(before, *values)

    return like(like, types.intp, low, high), generate


@intrinsic
def fill_bytes(_context: Any, array: Any, value: Any) -> Any:
    """`value` in eight lanes of the array's dtype, or in all of a longer register.

    One bit a lane makes whole bytes of them, for `store_below`.
    """
    lanes = Lanes(array.dtype, max(8, lane_count(array)))
    return lanes(array, value), _filler(lanes, value)


@intrinsic
def size(_context: Any, lanes: Any) -> Any:
    """How many lanes there are, a constant to the compiler."""
    number = ir.Constant(ir.IntType(types.intp.bitwidth), lanes.count)
    return types.intp(lanes), lambda _context, _builder, _signature, _args: number


@intrinsic
def add(_context: Any, a: Any, b: Any) -> Any:
    """A + b, lane by lane."""
    return a(a, b), lambda _context, builder, _signature, args: builder.fadd(*args)


@intrinsic
def sub(_context: Any, a: Any, b: Any) -> Any:
    """A - b, lane by lane."""
    return a(a, b), lambda _context, builder, _signature, args: builder.fsub(*args)


@intrinsic
def least(_context: Any, a: Any, b: Any) -> Any:
    """The smaller of a and b, lane by lane; b where either is NaN."""
    return a(a, b), _smaller


@intrinsic
def least_bits(_context: Any, a: Any, b: Any) -> Any:
    """The smaller of a and b, lane by lane, where neither is negative or -0.

    Such numbers are ordered like their bits, and in float32 integers are compared in a
    quarter of the time. A NaN counts as larger than +inf, or as in `least`.
    """
    if a.dtype != types.float32:
        return a(a, b), _smaller

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        integers = ir.VectorType(ir.IntType(32), a.count)
        smaller = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(integers, [integers] * 2),
            f"llvm.umin.v{a.count}i32",
        )
        bits = [builder.bitcast(one, integers) for one in args]
        return builder.bitcast(builder.call(smaller, bits), context.get_value_type(a))

    return a(a, b), generate


@intrinsic
def add_square(_context: Any, total: Any, difference: Any) -> Any:
    """Total + difference², lane by lane.

    In float64 rounded twice, so that results are those of the definition to the last
    bit; in float32 fused where the hardware does that, which is faster.
    """

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        if total.dtype == types.float64:
            return builder.fadd(args[0], builder.fmul(args[1], args[1]))
        vector = context.get_value_type(total)
        # Not llvm.fma: without such hardware that calls a library, lane by lane.
        fused = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * 3),
            f"llvm.fmuladd.v{total.count}f32",
        )
        return builder.call(fused, [args[1], args[1], args[0]])

    return total(total, difference), generate


def _filler(lanes: Lanes, value: Any) -> Any:
    """The second of two or three arguments in every lane."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        number = context.cast(builder, args[1], value, lanes.dtype)
        vector = context.get_value_type(lanes)
        one = builder.insert_element(
            ir.Constant(vector, ir.Undefined), number, ir.Constant(INDEX, 0)
        )
        return builder.shuffle_vector(one, one, mask([0] * lanes.count))

    return generate


def _smaller(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", *args), *args)


def lane_count(array: Any) -> int:
    """Lanes of one register, for an array's type."""
    return REGISTER_BYTES * 8 // int(array.dtype.bitwidth)


def mask(indices: Any) -> ir.Constant:
    """Lanes by number, as LLVM wants them."""
    chosen = list(indices)
    return ir.Constant(ir.VectorType(INDEX, len(chosen)), chosen)


@numba.njit(cache=True, nogil=True)
def all_finite(out: NDArray[Any]) -> bool:
    """Whether no number of `out` is NaN or infinite."""
    bad = 0
    for distance in out:
        bad += not distance - distance == 0  # noqa: SIM201  # NaN is unequal to all
    return bad == 0
