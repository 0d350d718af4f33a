"""Numbers moved between lanes: shifts, transposition, the smallest of all."""

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from edge_kernels.lanes import INDEX, count, lane_count, mask
from edge_kernels.memory import place_of

__all__ = ["lift", "lower", "reverse", "smallest", "to_lanes", "transpose"]


@intrinsic
def lift(_context: Any, lanes: Any, below: Any) -> Any:
    """Every number one lane up; lane 0 takes the last of `below`."""
    return lanes(lanes, below), _shuffler(1, 0, range(lanes.count - 1, 2 * lanes.count - 1))


@intrinsic
def lower(_context: Any, lanes: Any, above: Any) -> Any:
    """Every number one lane down; the last lane takes the first of `above`."""
    return lanes(lanes, above), _shuffler(0, 1, range(1, lanes.count + 1))


@intrinsic
def reverse(_context: Any, lanes: Any) -> Any:
    """The last lane first."""
    return lanes(lanes), _shuffler(0, 0, range(lanes.count - 1, -1, -1))


@intrinsic
def smallest(_context: Any, lanes: Any) -> Any:
    """The smallest number of all lanes, where none is NaN."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        [vector] = args
        half = lanes.count // 2
        while half:
            low = builder.shuffle_vector(vector, vector, mask(range(half)))
            high = builder.shuffle_vector(vector, vector, mask(range(half, 2 * half)))
            vector = builder.select(builder.fcmp_ordered("<", low, high), low, high)
            half //= 2
        return builder.extract_element(vector, ir.Constant(INDEX, 0))

    return lanes.dtype(lanes), generate


@intrinsic
def transpose(
    _context: Any, source: Any, at: Any, stride: Any, target: Any, to: Any, pitch: Any
) -> Any:
    """target[to + j * pitch + i] = source[at + i * stride + j], a square of lanes.

    i and j count to the lanes of one register; `stride` may be negative.
    """
    number = source.dtype.bitwidth // 8
    lanes = lane_count(source)
    piece = 16 // number  # every target shuffles cheaply within 128 bits, not across
    low = [k + i for k in range(0, lanes, piece) for i in range(piece // 2)]
    zip_low = [i + side for i in low for side in (0, lanes)]
    zip_high = [i + piece // 2 for i in zip_low]

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        part = ir.VectorType(context.get_value_type(source.dtype), piece)

        def part_of(row: int, column: int) -> Any:
            offset = builder.mul(args[2], ir.Constant(args[2].type, row))
            offset = builder.add(offset, ir.Constant(args[2].type, column))
            offset = builder.add(offset, args[1])
            place = place_of(context, builder, source, args[0], offset, part)
            return builder.load(place, align=number)

        def joined(parts: list[Any]) -> Any:
            while len(parts) > 1:
                both = mask(range(2 * parts[0].type.count))
                parts = [
                    builder.shuffle_vector(parts[i], parts[i + 1], both)
                    for i in range(0, len(parts), 2)
                ]
            return parts[0]

        for column in range(0, lanes, piece):
            square = [
                joined([part_of(row + i, column) for row in range(0, lanes, piece)])
                for i in range(piece)
            ]
            for _ in range(piece.bit_length() - 1):
                square = [
                    builder.shuffle_vector(square[i], square[i + piece // 2], mask(pairs))
                    for i in range(piece // 2)
                    for pairs in (zip_low, zip_high)
                ]
            for i, vector in enumerate(square):
                offset = builder.mul(args[5], ir.Constant(args[5].type, column + i))
                offset = builder.add(offset, args[4])
                place = place_of(context, builder, target, args[3], offset, vector.type)
                builder.store(vector, place, align=number)
        return context.get_dummy_value()

    signature = types.void(source, types.intp, types.intp, target, types.intp, types.intp)
    return signature, generate


@numba.njit(cache=True, nogil=True)
def to_lanes(
    source: NDArray[Any],
    at: int,
    length: int,
    stride: int,
    target: NDArray[Any],
    to: int,
    pitch: int,
) -> None:
    """`length` numbers of each lane's series, [lane][t] -> [t][lane].

    A lane's series begins `stride` numbers behind the lane before, the first one's at
    `at`; the vector for t + 1 `pitch` numbers behind that for t, the first one at `to`.
    """
    lanes = count(source)
    if length < lanes:
        for t in range(length):
            for b in range(lanes):
                target[to + t * pitch + b] = source[at + b * stride + t]
        return
    for start in range(0, length, lanes):
        t = min(start, length - lanes)  # the last square overlaps the one before
        transpose(source, at + t, stride, target, to + t * pitch, pitch)


def _shuffler(first: int, second: int, indices: range) -> Any:
    """Lanes picked by index from two of the arguments, side by side."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.shuffle_vector(args[first], args[second], mask(indices))

    return generate
