import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_anomaly.errors import StateError
from edge_anomaly.files.duration import Duration
from edge_anomaly.memory.packing import pack, unpack

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)
    | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN)
def test_plain_values_come_back(value: object) -> None:
    assert unpack(pack(value)) == value


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "?", "i2", "datetime64[ns]", "U5"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4)])
def test_arrays_come_back_in_kind_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, dtype)
    [back] = unpack(pack({"a": array})).values()
    assert (back.dtype, back.shape) == (array.dtype, shape)
    assert np.array_equal(back, array)


def test_numbers_of_numpy_are_plain_numbers() -> None:
    assert unpack(pack([np.float32(0.5), np.int64(3), np.isnan(np.nan)])) == [0.5, 3, True]


def test_a_duration_is_its_number() -> None:
    assert unpack(pack(Duration.read("2s"))) == 2 * 10**9


def test_an_array_of_objects_is_refused_not_pickled() -> None:
    with pytest.raises(ValueError, match="allow_pickle"):
        pack(np.array([{}], object))


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="no way to keep"):
        pack(object())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", pack({"a": 1})[:-1], pack(np.ones(9))[:-4], pack(1) + b"x", b"\xc7\x01\x05x"],
)
def test_damage_is_told(data: bytes) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        unpack(data)
