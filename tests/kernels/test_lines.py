import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_kernels import strongest_lines


def cases(seed: int, b: int, f: int, c: int, lines: int) -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(seed)
    residual = rng.standard_normal((b, f, c)).astype(np.float32)
    mean = rng.standard_normal((3, lines, c)).astype(np.float32)
    deviation = rng.uniform(0.1, 2, (3, lines, c)).astype(np.float32)
    return residual, mean, deviation


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    b=st.integers(0, 5),
    f=st.integers(1, 40),
    c=st.integers(1, 4),
    data=st.data(),
)
def test_agrees_with_the_definition(seed: int, b: int, f: int, c: int, data: st.DataObject) -> None:
    lines = data.draw(st.integers(1, f))
    first = data.draw(st.integers(0, f - lines))
    k = data.draw(st.integers(1, lines))
    residual, mean, deviation = cases(seed, b, f, c, lines)
    device = np.random.default_rng(seed).integers(0, 3, b)
    found = strongest_lines(residual, device, mean, deviation, first=first, k=k)
    assert found.shape == (b, 2, c)
    white = (residual[:, first : first + lines] - mean[device]) / deviation[device]
    strongest = np.sort(np.maximum(white, 0), axis=1)[:, lines - k :].mean(axis=1)
    np.testing.assert_allclose(found[:, 0], (residual**2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], strongest, rtol=1e-5, atol=1e-6)


def test_does_not_blame_what_is_missing() -> None:
    mean, deviation = np.zeros((1, 8, 1), np.float32), np.ones((1, 8, 1), np.float32)
    silent = np.full((1, 8, 1), -100, np.float32)
    found = strongest_lines(silent, np.zeros(1, np.int64), mean, deviation, first=0, k=3)
    assert found[0, :, 0].tolist() == [10_000.0, 0.0]


def test_what_is_not_a_number_stays_in_its_channel() -> None:
    residual, mean, deviation = cases(1, 2, 10, 3, 4)
    device = np.zeros(2, np.int64)
    clean = strongest_lines(residual, device, mean, deviation, first=2, k=2)
    residual[1, 9, 1] = np.nan  # outside the lines
    found = strongest_lines(residual, device, mean, deviation, first=2, k=2)
    assert np.isnan(found[1, :, 1]).all()
    found[1, :, 1] = clean[1, :, 1]
    np.testing.assert_array_equal(found, clean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": 7}, "no 2 of the lines"),
        ({"first": -1}, "no 2 of the lines"),
        ({"k": 0}, "no 0 of the lines"),
        ({"k": 5}, "no 5 of the lines"),
        ({"device": np.array([0, 3])}, "device must be"),
        ({"device": np.zeros(3, np.int64)}, "do not fit"),
        ({"mean": np.zeros((3, 4, 2), np.float32)}, "must be"),
        ({"deviation": np.zeros((3, 4, 3), np.float32)}, "positive"),
        ({"residual": np.zeros((2, 10), np.float32)}, "must be"),
        ({"residual": np.zeros((2, 10, 2), np.float32)}, "do not fit"),
    ],
)
def test_refuses_what_does_not_fit(change: dict[str, object], message: str) -> None:
    residual, mean, deviation = cases(2, 2, 10, 3, 4)
    usual: dict[str, object] = {
        "residual": residual,
        "device": np.zeros(2, np.int64),
        "mean": mean,
        "deviation": deviation,
        "first": 2,
        "k": 2,
    }
    with pytest.raises(ValueError, match=message):
        strongest_lines(**(usual | change))  # type: ignore[arg-type] # on purpose
