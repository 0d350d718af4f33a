"""A vector type for kernels: as many numbers as one register of this CPU holds.

LLVM vectorises plain loops over dynamic programming poorly: the recurrence runs along
both axes and alias checks defeat it. These intrinsics name the registers instead. The
same kernel becomes AVX-512, AVX2, SSE or NEON code, because LLVM lowers its vector type
to whatever the target has; only the number of lanes is chosen here.

Nothing here checks a bound: a `load` or `store` outside its array reads or corrupts
foreign memory. The public functions size every buffer for the kernels that use these.

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
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

__all__ = [
    "INDEX",
    "REGISTER_BYTES",
    "Lanes",
    "add",
    "add_square",
    "aligned",
    "all_finite",
    "count",
    "fill",
    "fill_bytes",
    "fill_like",
    "lane_count",
    "least",
    "least_bits",
    "ledge",
    "load",
    "mask",
    "on_stack",
    "place_of",
    "register_bytes",
    "size",
    "store",
    "store_below",
    "sub",
    "width",
]


def register_bytes(features: str) -> int:
    """The widest vector register in a list of LLVM target features such as "+avx2"."""
    wide = {"+avx512f": 64, "+avx2": 32}
    return max((wide.get(name, 16) for name in features.split(",")), default=16)


CACHE_LINE = 64  # bytes, and the widest register
STACK_BYTES = 16_384  # of a thread's stack, of which even small systems give 128 KB
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


@intrinsic
def size(_context: Any, lanes: Any) -> Any:
    """How many lanes there are, a constant to the compiler."""
    number = ir.Constant(ir.IntType(types.intp.bitwidth), lanes.count)
    return types.intp(lanes), lambda _context, _builder, _signature, _args: number


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


def place_of(context: Any, builder: Any, array: Any, value: Any, at: Any, vector: ir.Type) -> Any:
    """A pointer to a vector at array[at]."""
    start = context.make_array(array)(context, builder, value).data
    return builder.bitcast(builder.gep(start, [at]), vector.as_pointer())


@numba.njit(cache=True, nogil=True)
def all_finite(out: NDArray[Any]) -> bool:
    """Whether no number of `out` is NaN or infinite."""
    bad = 0
    for distance in out:
        bad += not distance - distance == 0  # noqa: SIM201  # NaN is unequal to all
    return bad == 0


@numba.njit(cache=True, nogil=True)
def aligned(like: NDArray[Any], length: int) -> NDArray[Any]:
    """`length` numbers of the dtype of `like`, uninitialised, from a cache line on."""
    memory = np.empty(length + CACHE_LINE // like.itemsize, like.dtype)
    start = -memory.ctypes.data % CACHE_LINE // like.itemsize
    return memory[start : start + length]
