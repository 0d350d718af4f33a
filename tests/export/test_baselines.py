import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from edge_export.baselines import LINEAR, Scaling, always, fit_linear, forest, random
from edge_export.recordings import Windows

Floats = NDArray[np.float32]


def windows(series: list[NDArray[np.float64]], width: int = 3) -> Windows:
    """Every window of each device's (n, C) series."""
    cut = [
        np.lib.stride_tricks.sliding_window_view(s, width, axis=0).transpose(0, 2, 1)
        for s in series
    ]
    n = sum(len(part) for part in cut)
    return Windows(
        window=np.concatenate(cut).astype(np.float32),
        device=np.repeat(np.arange(len(cut)), [len(part) for part in cut]),
        slot=np.arange(n),
        coverage=np.ones(n, np.float32),
    )


def autoregression(
    matrix: NDArray[np.float64], n: int, level: float, seed: int = 0
) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    x = np.zeros((n, len(matrix)))
    for t in range(1, n):
        x[t] = matrix @ x[t - 1] + rng.normal(size=len(matrix))
    return x + level


NOISE = [np.random.default_rng(s).normal(10 * s, 1 + s, (400, 4)) for s in range(2)]


def test_const_expects_the_healthy_mean_of_each_device() -> None:
    seen = windows(NOISE)
    model = fit_linear("const", seen, 2)
    observed, expected = model.run(seen.window, seen.device)
    for d in range(2):
        residual = (observed - expected)[seen.device == d]
        assert np.abs(residual.mean(axis=0)).max() < 1e-5
        assert np.ptp(expected[seen.device == d], axis=0).max() == 0


def test_var1_finds_the_matrix_that_made_the_series() -> None:
    matrix = np.array([[0.8, 0.1], [-0.3, 0.5]])
    series = autoregression(matrix, 20_000, level=1000)
    model = fit_linear("var1", windows([series]), 1)
    span = model.scaling.span[0]
    in_units = model.before[0] * span[:, np.newaxis] / span[np.newaxis]
    assert in_units == pytest.approx(matrix, abs=0.03)
    seen = windows([autoregression(matrix, 5_000, level=1000, seed=1)])
    observed, expected = model.run(seen.window, seen.device)
    noise = (observed - expected)[:, 0] * span
    assert noise.std(axis=0) == pytest.approx([1, 1], rel=0.05)


def test_pca_leaves_what_scikit_learn_leaves() -> None:
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6))
    seen = windows([hidden + 0.2 * rng.normal(size=(600, 6))])
    model = fit_linear("pca", seen, 1)
    _, expected = model.run(seen.window, seen.device)
    scaled = model.scaling.apply(seen.window[:, -1:], seen.device)[:, 0]
    peer = PCA(n_components=0.9, svd_solver="full").fit(scaled)
    want = peer.inverse_transform(peer.transform(scaled))
    assert expected[:, 0] == pytest.approx(want, abs=1e-4)
    assert 1 <= peer.n_components_ < 6


@pytest.mark.parametrize("name", LINEAR)
def test_a_batch_of_many_devices_equals_each_on_its_own(name: str) -> None:
    seen = windows(NOISE)
    model = fit_linear(name, seen, 2)
    shuffled = np.random.default_rng(0).permutation(len(seen))
    _, together = model.run(seen.window[shuffled], seen.device[shuffled])
    for d in range(2):
        alone = fit_linear(name, windows([NOISE[d]]), 1)
        mine = windows([NOISE[d]])
        _, want = alone.run(mine.window, mine.device)
        assert together[np.argsort(shuffled)][seen.device == d] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_a_signal_that_never_moved_is_expected_where_it_was(name: str) -> None:
    series = NOISE[0].copy()
    series[:, 2] = 0.5
    model = fit_linear(name, windows([series]), 1)
    moved = windows([series])
    moved.window[:, -1, 2] = 0.75
    observed, expected = model.run(moved.window, moved.device)
    assert np.isfinite(expected).all()
    assert (observed - expected)[:, 0, 2] == pytest.approx(0.25, abs=0.01)


def test_scaling_learns_from_healthy_time_only_and_cuts_far_outside() -> None:
    scaling = Scaling.fit(windows([np.array([[0.0], [10.0], [5.0], [5.0]])], width=1), 1)
    device = np.zeros(3, np.int64)
    scaled = scaling.apply(np.array([[[5.0]], [[20.0]], [[1e9]]], np.float32), device)
    assert scaled.ravel().tolist() == [0.5, 2.0, 3.0]


def test_the_forest_isolates_what_lies_outside_and_repeats_by_its_seed() -> None:
    seen = windows(NOISE)
    detector = forest(seen, 2, seed=3)
    far = seen.window[:50] + 20
    inside = detector.score(seen.window, seen.device)
    assert detector.score(far, seen.device[:50]).min() > np.quantile(inside, 0.99)
    again = forest(seen, 2, seed=3).score(seen.window, seen.device)
    assert (again == inside).all()
    assert (forest(seen, 2, seed=4).score(seen.window, seen.device) != inside).any()


def test_random_and_always_do_not_look() -> None:
    seen = windows(NOISE)
    noise = random(0).score(seen.window, seen.device)
    assert noise.shape == seen.device.shape
    assert (noise == random(0).score(seen.window * 0, seen.device)).all()
    assert noise.std() == pytest.approx(12**-0.5, rel=0.1)
    assert (always().score(seen.window, seen.device) == 1).all()


def test_refuses() -> None:
    seen = windows(NOISE)
    with pytest.raises(ValueError, match="no baseline 'mean'; there are pca, var1, const"):
        fit_linear("mean", seen, 2)
    with pytest.raises(ValueError, match="device 2 has no healthy window"):
        fit_linear("const", seen, 3)
    with pytest.raises(ValueError, match="device 2 has no healthy window"):
        forest(seen, 3, seed=0)
    with pytest.raises(ValueError, match="at least 2 steps"):
        fit_linear("const", seen, 2).run(seen.window[:, -1:], seen.device)
