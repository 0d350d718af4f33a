import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import rolling_median as naive

from edge_kernels import Medians, new_medians, rolling_median

VALUES = st.lists(
    st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([0.0, 1.0, -0.0]),
    min_size=1,
    max_size=60,
)


def run(values: list[float], medians: Medians, fewest: int = 1) -> np.ndarray:
    x = np.array(values, np.float32)
    return rolling_median(x, np.zeros(len(x), np.int64), medians, fewest=fewest)


@given(VALUES, st.integers(1, 12), st.integers(1, 4))
def test_agrees_with_the_definition(values: list[float], length: int, stride: int) -> None:
    got = run(values, new_medians(1, length, stride))
    np.testing.assert_allclose(got, naive(values, length, stride), rtol=1e-6, atol=1e-44)


@given(VALUES, st.integers(1, 12), st.integers(0, 60))
def test_one_batch_equals_many(values: list[float], length: int, cut: int) -> None:
    medians = new_medians(1, length)
    parts = [run(part, medians) for part in (values[:cut], values[cut:]) if part]
    whole = run(values, new_medians(1, length))
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_devices_do_not_meet() -> None:
    rng = np.random.default_rng(0)
    x, device = rng.normal(size=300).astype(np.float32), rng.integers(0, 3, 300)
    got = rolling_median(x, device, new_medians(3, 20), fewest=5)
    for d in range(3):
        alone = run(x[device == d].tolist(), new_medians(1, 20), 5)
        np.testing.assert_array_equal(got[device == d], alone)


def test_what_is_not_finite_is_not_taken() -> None:
    got = run([1.0, np.nan, np.inf, 3.0, -np.inf, 3.0], new_medians(1, 3))
    np.testing.assert_array_equal(got, [1, 1, 1, 2, 2, 3])


def test_there_is_none_before_enough_is_kept() -> None:
    np.testing.assert_array_equal(run([1, 2, 3], new_medians(1, 4), 3), [np.nan, np.nan, 2])


def test_the_middle_of_two_huge_values_does_not_overflow() -> None:
    assert run([3e38, 3e38], new_medians(1, 2))[-1] == np.float32(3e38)
    assert run([-3e38, 3e38], new_medians(1, 2))[-1] == 0


def test_refuses() -> None:
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="must be positive"):
        new_medians(1, 0)
    with pytest.raises(ValueError, match=r"values and device must be \(B,\)"):
        rolling_median(np.zeros(2, np.float32), one, new_medians(1, 2), fewest=1)
    with pytest.raises(ValueError, match=r"device must be in 0\.\.0"):
        rolling_median(np.zeros(1, np.float32), one + 1, new_medians(1, 2), fewest=1)
    with pytest.raises(ValueError, match=r"fewest must be in 1\.\.2, got 3"):
        rolling_median(np.zeros(1, np.float32), one, new_medians(1, 2), fewest=3)
