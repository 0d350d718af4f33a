import sys
from typing import Any

import numba
import numpy as np
import pytest

from edge_kernels.arguments import FLOAT32, FLOAT64, SERIES, WHOLE, Entry


@numba.njit  # type: ignore[untyped-decorator]  # numba's are
def seen(series: Any, whole: Any) -> tuple[int, int, int, int, float, int]:
    first = 0.0
    if series.precision == FLOAT32:
        first = numba.carray(series.data, 1, np.float32)[0]
    if series.precision == FLOAT64:
        first = numba.carray(series.data, 1, np.float64)[0]
    return series.axes, series.n, series.channels, series.precision, first, whole.value


SEEN = Entry(seen, SERIES, WHOLE)
UNUSABLE = (0, 0, 0, 0, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (5,), (5, 3), (1, 1), (2, 70)])
def test_a_kernel_sees_what_numpy_says(dtype: type[np.floating], shape: tuple[int, ...]) -> None:
    array = np.full(shape, 2.5, dtype)
    n, channels = (*shape, 1)[:2]
    assert SEEN.call(array, 7) == (len(shape), n, channels, array.dtype.num, 2.5, 7)
    array.flags.writeable = False  # kernels write to no series
    assert SEEN.call(array, 7)[1:3] == (n, channels)


def test_an_empty_array_is_seen_as_empty() -> None:
    assert SEEN.call(np.zeros((0, 3)), 0)[:3] == (2, 0, 3)


class Derived(np.ndarray):
    pass


@pytest.mark.parametrize(
    "thing",
    [
        pytest.param(np.zeros(8)[::2], id="strided"),
        pytest.param(np.zeros((3, 4)).T, id="columns first"),
        pytest.param(np.zeros(8, np.dtype(np.float32).newbyteorder()), id="foreign bytes"),
        pytest.param(np.frombuffer(b"." * 33, np.uint8)[1:].view(np.float64), id="unaligned"),
        pytest.param(np.zeros(()), id="no axis"),
        pytest.param(np.zeros((2, 2, 2)), id="three axes"),
        pytest.param(np.zeros(4).view(Derived), id="a class of its own"),
        pytest.param([0.0, 1.0], id="a list"),
        pytest.param(None, id="nothing"),
    ],
)
def test_what_a_kernel_cannot_read_is_seen_as_nothing(thing: object) -> None:
    assert SEEN.call(thing, 0)[:5] == UNUSABLE


def test_other_numbers_are_told_by_their_precision() -> None:
    assert SEEN.call(np.zeros(4, np.int32), 0)[3] == np.dtype(np.int32).num


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**63 - 1])
def test_a_whole_number_is_seen_as_it_is(number: int) -> None:
    assert SEEN.call(None, number)[5] == number


@pytest.mark.parametrize(
    "thing", [-1, -7, 2**63, -(2**70), 1.0, True, np.int64(3), "3", None, np.zeros(1)]
)
def test_anything_else_is_seen_as_minus_one_and_leaves_no_error(thing: object) -> None:
    assert SEEN.call(None, thing)[5] < 0


def test_objects_are_neither_kept_nor_lost() -> None:
    array = np.zeros(4)
    before = sys.getrefcount(array)
    for _ in range(100):
        SEEN.call(array, 3)
    assert sys.getrefcount(array) == before
