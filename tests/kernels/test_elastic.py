import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_kernels import blamed_span, elastic_errors


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 3), st.integers(0, 2**32))
def test_are_the_definition(windows: int, steps: int, signals: int, seed: int) -> None:
    x, y = np.random.default_rng(seed).normal(size=(2, windows, steps, signals)).astype(np.float32)
    straight, warped = elastic_errors(x, y, 2)
    for b in range(windows):
        for c in range(signals):
            want = naive.dtw(x[b, :, c], y[b, :, c], 2) / steps
            np.testing.assert_allclose(warped[b, c], want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(straight, np.square(x - y).mean(axis=1), rtol=1e-4, atol=1e-6)
    assert (warped <= straight * (1 + 1e-5) + 1e-6).all()


def test_a_late_window_has_a_gap_and_a_raised_one_has_none() -> None:
    t = np.arange(96, dtype=np.float32)
    usual = np.sin(2 * np.pi * t / 48)[None, :, None]
    late = np.sin(2 * np.pi * (t - 3) / 48)[None, :, None]
    straight, warped = elastic_errors(late, usual, 4)
    assert warped < 0.2 * straight
    straight, warped = elastic_errors(usual + 2, usual - 2, 4)
    assert warped > 0.8 * straight


def test_a_batch_of_none_has_no_errors() -> None:
    nothing = np.zeros((0, 8, 3), np.float32)
    straight, warped = elastic_errors(nothing, nothing, 2)
    assert straight.shape == warped.shape == (0, 3)


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="alike"):
        elastic_errors(np.zeros((1, 8, 1), np.float32), np.zeros((1, 7, 1), np.float32), 2)


def test_blames_the_steps_where_a_window_is_off() -> None:
    usual = np.zeros((40, 2), np.float32)
    off = usual.copy()
    off[10:20, 1] = 3
    assert blamed_span(off, usual, 2, share=0.5) == (10, 14)
    assert blamed_span(off, usual, 2, share=1.0) == (10, 19)


def test_blames_nothing_where_nothing_is_off_or_known() -> None:
    usual = np.ones((8, 1), np.float32)
    assert blamed_span(usual, usual, 2) is None
    assert blamed_span(usual, np.full_like(usual, np.nan), 2) is None
