from collections.abc import Callable
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_kernels import (
    combine_log1p,
    mean_of_largest,
    recent_energy,
    smooth,
    standardise,
    whiten,
)

Floats = NDArray[np.float32]
DEVICES, SIGNALS, TRACKS = 3, 4, 2
ALPHA = 0.25


def floats(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


def positive(seed: int, *shape: int) -> Floats:
    return np.abs(floats(seed, *shape)) + np.float32(0.1)


def empty(*shape: int) -> Floats:
    return np.full(shape, np.nan, np.float32)


PHI = np.random.default_rng(1).uniform(0, 1, (DEVICES, SIGNALS)).astype(np.float32)
SCALE = positive(2, DEVICES, TRACKS, 2)

batches = st.tuples(
    st.lists(st.integers(0, DEVICES - 1), min_size=1, max_size=12), st.integers(0, 2**32)
)
cuts = st.integers(1, 12)


@settings(deadline=None)
@given(batches, cuts)
def test_whitening_is_the_definition_in_batches_of_any_size(
    batch: tuple[list[int], int], size: int
) -> None:
    device = np.array(batch[0])
    residual = floats(batch[1], device.size, SIGNALS)
    last = empty(DEVICES, SIGNALS)
    got = np.concatenate(
        [
            whiten(residual[i : i + size], device[i : i + size], PHI, last)
            for i in range(0, device.size, size)
        ]
    )
    np.testing.assert_allclose(got, naive.whiten(residual, batch[0], PHI), rtol=1e-5, atol=1e-5)
    whole = whiten(residual, device, PHI, empty(DEVICES, SIGNALS))
    assert got.tobytes() == whole.tobytes()


@settings(deadline=None)
@given(batches, cuts)
def test_smoothing_is_the_definition_in_batches_of_any_size(
    batch: tuple[list[int], int], size: int
) -> None:
    device = np.array(batch[0])
    scores = floats(batch[1], device.size, TRACKS)
    average = empty(DEVICES, TRACKS)
    got = np.concatenate(
        [
            smooth(scores[i : i + size], device[i : i + size], SCALE, ALPHA, average)
            for i in range(0, device.size, size)
        ]
    )
    want = naive.smooth(scores, batch[0], SCALE, ALPHA)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    whole = smooth(scores, device, SCALE, ALPHA, empty(DEVICES, TRACKS))
    assert got.tobytes() == whole.tobytes()


@settings(deadline=None)
@given(batches, cuts)
def test_recent_energy_is_the_definition_in_batches_of_any_size(
    batch: tuple[list[int], int], size: int
) -> None:
    device = np.array(batch[0])
    sizes = floats(batch[1], device.size, SIGNALS)
    average = empty(DEVICES, SIGNALS)
    got = np.concatenate(
        [
            recent_energy(sizes[i : i + size], device[i : i + size], ALPHA, average)
            for i in range(0, device.size, size)
        ]
    )
    want = naive.recent_energy(sizes, batch[0], ALPHA)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    whole = recent_energy(sizes, device, ALPHA, empty(DEVICES, SIGNALS))
    assert got.tobytes() == whole.tobytes()


def test_energy_that_is_not_finite_is_forgotten_with_the_next_window() -> None:
    average, nought = np.full((1, 2), np.inf, np.float32), np.zeros(1, np.int64)
    got = recent_energy(np.array([[3.0, -3.0]], np.float32), nought, ALPHA, average)
    assert got.tolist() == [[9.0, 0.0]]


@settings(deadline=None)
@given(batches)
def test_standardising_measures_in_healthy_deviations(batch: tuple[list[int], int]) -> None:
    device = np.array(batch[0])
    tracks = floats(batch[1], device.size, TRACKS, SIGNALS)
    mean, deviation = positive(3, DEVICES, TRACKS, SIGNALS), positive(4, DEVICES, TRACKS, SIGNALS)
    want = [(np.abs(t) - mean[d]) / deviation[d] for t, d in zip(tracks, batch[0], strict=True)]
    np.testing.assert_allclose(standardise(tracks, device, mean, deviation), want, rtol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, SIGNALS))
def test_the_mean_is_of_the_k_largest(seed: int, k: int) -> None:
    tracks = floats(seed, 3, TRACKS, SIGNALS).round()  # with ties
    want = np.sort(tracks, axis=2)[:, :, ::-1][:, :, :k].mean(axis=2)
    np.testing.assert_allclose(mean_of_largest(tracks, k), want, rtol=1e-6, atol=1e-6)


def test_one_score_of_many_tracks_is_the_mean_logarithm_of_what_is_above_zero() -> None:
    scores = np.array([[0.0, np.e - 1], [-5.0, 0.0]], np.float32)
    np.testing.assert_allclose(combine_log1p(scores), [[0.5], [0.0]], rtol=1e-6)


def test_a_spike_shows_at_once_and_a_lasting_rise_shows_too() -> None:
    scale = np.array([[[1.0, 0.1]]], np.float32)  # averages are ten times calmer
    average, zero = empty(1, 1), np.zeros(1, np.int64)
    calm = np.full((50, 1), 0.05, np.float32)
    smooth(calm, np.zeros(50, np.int64), scale, 0.1, average)
    [[spike]] = smooth(np.full((1, 1), 9.0, np.float32), zero, scale, 0.1, average.copy())
    assert spike == pytest.approx(9.45)  # of the average; of the score itself it is 9
    rise = smooth(calm + 0.2, np.zeros(50, np.int64), scale, 0.1, average)
    assert rise[-1] == pytest.approx(2.5, rel=0.01)
    assert rise[0] < 0.8


def test_memory_that_is_forgotten_begins_anew() -> None:
    device = np.zeros(1, np.int64)
    first, second = floats(5, 1, SIGNALS), floats(6, 1, SIGNALS)
    last = empty(DEVICES, SIGNALS)
    whiten(first, device, PHI, last)
    last[0] = np.nan
    fresh = whiten(second, device, PHI, empty(DEVICES, SIGNALS))
    np.testing.assert_array_equal(whiten(second, device, PHI, last), fresh)


def test_only_the_devices_of_the_batch_are_remembered() -> None:
    last, average = empty(DEVICES, SIGNALS), empty(DEVICES, TRACKS)
    device = np.array([1, 1])
    whiten(floats(7, 2, SIGNALS), device, PHI, last)
    smooth(floats(7, 2, TRACKS), device, SCALE, ALPHA, average)
    assert np.isnan(last).all(axis=1).tolist() == [True, False, True]
    assert np.isnan(average).all(axis=1).tolist() == [True, False, True]


def test_an_empty_batch_gives_an_empty_batch() -> None:
    none = np.empty(0, np.int64)
    assert whiten(floats(0, 0, SIGNALS), none, PHI, empty(DEVICES, SIGNALS)).shape == (0, SIGNALS)


def whitened(**change: Any) -> Floats:
    given: dict[str, Any] = {
        "residual": floats(0, 2, SIGNALS),
        "device": np.array([0, 1]),
        "phi": PHI,
        "last": empty(DEVICES, SIGNALS),
    }
    return whiten(**given | change)


def standardised(**change: Any) -> Floats:
    ones = np.ones((DEVICES, TRACKS, SIGNALS), np.float32)
    given: dict[str, Any] = {
        "tracks": floats(0, 2, TRACKS, SIGNALS),
        "device": np.array([0, 1]),
        "mean": ones,
        "deviation": ones,
    }
    return standardise(**given | change)


def smoothed(**change: Any) -> Floats:
    given: dict[str, Any] = {
        "scores": floats(0, 2, TRACKS),
        "device": np.array([0, 1]),
        "scale": SCALE,
        "alpha": ALPHA,
        "average": empty(DEVICES, TRACKS),
    }
    return smooth(**given | change)


def energetic(**change: Any) -> Floats:
    given: dict[str, Any] = {
        "sizes": floats(0, 2, SIGNALS),
        "device": np.array([0, 1]),
        "alpha": ALPHA,
        "average": empty(DEVICES, SIGNALS),
    }
    return recent_energy(**given | change)


@pytest.mark.parametrize(
    ("stage", "change", "complaint"),
    [
        (energetic, {"device": np.array([0, DEVICES])}, r"device must be in"),
        (energetic, {"sizes": floats(0, 2, 1)}, r"sizes must be \(B, C\)"),
        (energetic, {"alpha": 0.0}, r"alpha must be in"),
        (whitened, {"device": np.array([0])}, r"device must be \(2,\)"),
        (whitened, {"device": np.array([0, DEVICES])}, r"device must be in 0\.\.2"),
        (whitened, {"device": np.array([-1, 0])}, r"device must be in 0\.\.2"),
        (whitened, {"residual": floats(0, 2, 1)}, r"residual must be \(B, C\)"),
        (whitened, {"last": empty(DEVICES, 1)}, r"residual must be \(B, C\)"),
        (standardised, {"device": np.array([0, DEVICES])}, r"device must be in"),
        (standardised, {"tracks": floats(0, 2, SIGNALS)}, r"tracks must be \(B, T, C\)"),
        (
            standardised,
            {"deviation": np.zeros((DEVICES, TRACKS, SIGNALS), np.float32)},
            "deviation must be positive",
        ),
        (
            standardised,
            {"deviation": empty(DEVICES, TRACKS, SIGNALS)},
            "deviation must be positive",
        ),
        (smoothed, {"device": np.array([-1, 0])}, r"device must be in"),
        (smoothed, {"scores": floats(0, 2, 1)}, r"scores must be \(B, T\)"),
        (smoothed, {"alpha": 0.0}, r"alpha must be in"),
        (smoothed, {"alpha": 1.1}, r"alpha must be in"),
        (smoothed, {"scale": SCALE * 0}, "scale positive"),
    ],
)
def test_what_does_not_fit_is_refused(
    stage: Callable[..., Floats], change: dict[str, Any], complaint: str
) -> None:
    assert stage().shape[0] == 2
    with pytest.raises(ValueError, match=complaint):
        stage(**change)


@pytest.mark.parametrize("k", [0, SIGNALS + 1])
def test_a_mean_of_too_few_or_too_many_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match=r"k in 1\.\.C"):
        mean_of_largest(floats(0, 2, TRACKS, SIGNALS), k)
    with pytest.raises(ValueError, match=r"tracks must be"):
        mean_of_largest(floats(0, 2, SIGNALS), 1)


def test_no_track_makes_no_score() -> None:
    with pytest.raises(ValueError, match=r"scores must be"):
        combine_log1p(np.empty((3, 0), np.float32))
