import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_kernels import FEATURES, span_features

FLOOR = 1e-4


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(2, 20), st.integers(1, 3), st.integers(0, 2**32))
def test_are_the_definition(windows: int, steps: int, signals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    residual, series = rng.normal(size=(2, windows, steps, signals)).astype(np.float32)
    spans = sorted({2, steps, (2 + steps) // 2})
    got = span_features(residual, series, np.array(spans), FLOOR)
    assert got.shape == (windows, len(spans), signals * FEATURES)
    want = naive.span_features(residual, series, spans, FLOOR)
    np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-5, atol=1e-5)


def test_look_at_the_newest_steps_alone() -> None:
    residual = np.random.default_rng(0).normal(size=(1, 16, 1)).astype(np.float32)
    changed = residual.copy()
    changed[:, :12] = 99
    spans = np.array([4])
    one, other = (span_features(r, r, spans, FLOOR) for r in (residual, changed))
    assert one.tobytes() == other.tobytes()


def test_the_variance_survives_a_level_that_dwarfs_it() -> None:
    level, step = np.float32(1e6), np.float32(0.5)
    residual = (level + step * np.tile([1, -1], 8)).astype(np.float32).reshape(1, 16, 1)
    found = span_features(residual, residual, np.array([16]), FLOOR)
    np.testing.assert_allclose(found[0, 0, 3], np.log(step**2 + FLOOR), rtol=1e-5)


def test_a_dead_sensor_stands_on_the_floor() -> None:
    flat = np.full((1, 8, 1), 3, np.float32)
    found = span_features(flat, flat, np.array([8]), FLOOR)[0, 0]
    assert found[0] == 3
    np.testing.assert_allclose(found[3:], np.log(FLOOR), rtol=1e-6)


@pytest.mark.parametrize("spans", [[], [1], [9], [[4]]])
def test_spans_outside_the_window_are_refused(spans: list[int]) -> None:
    x = np.zeros((1, 8, 1), np.float32)
    with pytest.raises(ValueError, match="spans"):
        span_features(x, x, np.array(spans, np.int64), FLOOR)


def test_shapes_and_floors_that_do_not_fit_are_refused() -> None:
    x, spans = np.zeros((1, 8, 1), np.float32), np.array([4])
    with pytest.raises(ValueError, match="alike"):
        span_features(x, x[:, :4], spans, FLOOR)
    with pytest.raises(ValueError, match="floor"):
        span_features(x, x, spans, 0.0)
