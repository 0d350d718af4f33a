"""Arguments read by the kernel itself: a call that costs a tenth of a microsecond.

numba's own call searches the compiled form by the types of all arguments, makes and drops
a record of every array, and takes a float for an integer; to trust it, Python has to look
at every array beforehand. Where a pair's distance takes a third of a microsecond, all that
is more than as much again. A kernel called through an `Entry` is compiled once for objects
of any kind, and a few loads from NumPy's own structures tell it what it was given.

Those are `PyArrayObject_fields` and the head of `PyArray_Descr` in numpy/ndarraytypes.h,
where NumPy's own C macros read too; the tests compare what is read with what NumPy says.
"""

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import (
    NativeValue,
    make_attribute_wrapper,
    models,
    register_model,
    unbox,
)

__all__ = ["FLOAT32", "FLOAT64", "SERIES", "WHOLE", "Entry", "Series", "Whole"]

FLOAT32, FLOAT64 = np.dtype(np.float32).num, np.dtype(np.float64).num

POINTER = ir.IntType(8).as_pointer()
SIZE = ir.IntType(types.intp.bitwidth)
CHAR, INT = ir.IntType(8), ir.IntType(32)
# An object's type is the last thing in its head, whatever a build of Python has before it.
HEAD = [ir.ArrayType(SIZE, object.__basicsize__ * 8 // SIZE.width - 1), POINTER]
OBJECT = ir.LiteralStructType(HEAD)
# data, nd, dimensions, strides, base, descr, flags
ARRAY = ir.LiteralStructType(
    [*HEAD, POINTER, INT, SIZE.as_pointer(), SIZE.as_pointer(), POINTER, POINTER, INT]
)
TYPE, DATA, AXES, SHAPE, DESCR, FLAGS = 1, 2, 3, 4, 7, 8
CARRAY = 0x0101  # NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED
# typeobj, kind, type, byteorder, flags, type_num
PRECISION = ir.LiteralStructType([*HEAD, POINTER, CHAR, CHAR, CHAR, CHAR, INT])
BYTE_ORDER, NUMBER = 5, 7

# Compiled code is kept on disk, and addresses change: it knows Python's types by name.
NDARRAY, WHOLE_NUMBER = "edge_kernels.ndarray", "edge_kernels.int"
llvmlite.binding.add_symbol(NDARRAY, id(np.ndarray))
llvmlite.binding.add_symbol(WHOLE_NUMBER, id(int))


class Series(types.Type):  # type: ignore[misc]  # numba's is untyped
    """Any object; of an array of one or two axes, what a kernel needs to read it.

    data: its address; n, channels: its shape, one channel if it has one axis; axes;
    precision: FLOAT32 or FLOAT64, or another number where it is not such an array,
    contiguous, aligned and of this machine's byte order.
    """


class Whole(types.Type):  # type: ignore[misc]  # numba's is untyped
    """Any object; its `value` if it is an int from 0 on that fits a register, else -1."""


SERIES, WHOLE = Series("Series"), Whole("Whole")
FIELDS = {
    Series: {
        "data": types.voidptr,
        "n": types.intp,
        "channels": types.intp,
        "axes": types.int32,
        "precision": types.int32,
    },
    Whole: {"value": types.int64},
}


@register_model(Series)
class _SeriesModel(models.StructModel):  # type: ignore[misc]  # numba's is untyped
    def __init__(self, manager: Any, series: Series) -> None:
        super().__init__(manager, series, [*FIELDS[Series].items()])


@register_model(Whole)
class _WholeModel(models.StructModel):  # type: ignore[misc]  # numba's is untyped
    def __init__(self, manager: Any, whole: Whole) -> None:
        super().__init__(manager, whole, [*FIELDS[Whole].items()])


for kind, fields in FIELDS.items():
    for name in fields:
        make_attribute_wrapper(kind, name, name)


class Entry:
    """A kernel to be called with any objects, compiled at the first call.

    `call` is a C function then, behind nothing but the look at an attribute.
    """

    __slots__ = ("_kinds", "call", "kernel")

    def __init__(self, kernel: Any, *kinds: types.Type) -> None:
        """`kinds`: SERIES or WHOLE for each argument of `kernel`."""
        self.kernel, self._kinds = kernel, kinds
        self.call: Any = self._first

    def _first(self, *arguments: object) -> Any:
        self.call = self.kernel.compile(self._kinds)
        return self.call(*arguments)


@unbox(Series)
def _series(kind: Any, thing: Any, c: Any) -> NativeValue:
    series = cgutils.create_struct_proxy(kind)(c.context, c.builder)
    for name in FIELDS[Series]:
        setattr(series, name, getattr(series, name).type(None))
    with c.builder.if_then(_is_a(c, thing, NDARRAY)):
        array = c.builder.bitcast(thing, ARRAY.as_pointer())
        precision = c.builder.bitcast(_field(c, array, DESCR), PRECISION.as_pointer())
        axes, flags = _field(c, array, AXES), _field(c, array, FLAGS)
        usable = c.builder.and_(
            c.builder.icmp_unsigned("<", c.builder.sub(axes, INT(1)), INT(2)),
            c.builder.and_(
                c.builder.icmp_unsigned("==", c.builder.and_(flags, INT(CARRAY)), INT(CARRAY)),
                c.builder.icmp_unsigned("==", _field(c, precision, BYTE_ORDER), CHAR(ord("="))),
            ),
        )
        with c.builder.if_then(usable):
            shape = _field(c, array, SHAPE)
            series.data = _field(c, array, DATA)
            series.n = c.builder.load(shape)
            series.channels = SIZE(1)
            series.axes = axes
            series.precision = _field(c, precision, NUMBER)
            with c.builder.if_then(c.builder.icmp_unsigned("==", axes, INT(2))):
                series.channels = c.builder.load(c.builder.gep(shape, [SIZE(1)]))
    return _native(series)


@unbox(Whole)
def _whole(kind: Any, thing: Any, c: Any) -> NativeValue:
    whole = cgutils.create_struct_proxy(kind)(c.context, c.builder)
    whole.value = whole.value.type(-1)
    with c.builder.if_then(_is_a(c, thing, WHOLE_NUMBER)):
        whole.value = c.pyapi.long_as_longlong(thing)
        with c.builder.if_then(c.builder.icmp_signed("<", whole.value, whole.value.type(0))):
            c.pyapi.err_clear()  # it may have been too large
    return _native(whole)


def _native(structure: Any) -> NativeValue:
    return NativeValue(structure._getvalue())  # noqa: SLF001  # numba's own way to read one


def _is_a(c: Any, thing: Any, name: str) -> Any:
    """Whether `thing` is of the very type that is known by `name`."""
    actual = _field(c, c.builder.bitcast(thing, OBJECT.as_pointer()), TYPE)
    return c.builder.icmp_unsigned("==", actual, c.context.get_c_value(c.builder, CHAR, name))


def _field(c: Any, structure: Any, index: int) -> Any:
    return c.builder.load(c.builder.gep(structure, [INT(0), INT(index)], inbounds=True))
