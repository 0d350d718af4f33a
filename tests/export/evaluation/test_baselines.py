import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from edge_export.data.recordings import Windows
from edge_export.data.split import Split
from edge_export.evaluation.baselines import fit_linear, forest, random
from edge_export.families.linear import LINEAR, Linear

Floats = NDArray[np.float32]


def run(model: Linear, seen: Windows) -> tuple[Floats, Floats]:
    answers = model.run({"window": seen.window, "device": seen.device})
    return answers["observed"], answers["expected"]


def scaled(model: Linear, window: Floats) -> Floats:
    nought = np.zeros(len(window), np.int64)
    return run(model, Windows(window, nought, nought, np.ones(len(window), np.float32)))[0]


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


def parts(series: list[NDArray[np.float64]], width: int = 3) -> Split:
    seen = windows(series, width)
    lowest, highest = (np.stack([how(s, axis=0) for s in series]) for how in (np.min, np.max))
    span = np.where(highest > lowest, highest - lowest, 1)
    return Split(
        devices=tuple(f"d{d}" for d in range(len(series))),
        signals=tuple(f"s{c}" for c in range(series[0].shape[1])),
        fit=seen,
        held=seen[:0],
        centre=((lowest + highest) / 2).astype(np.float32),
        scale=span.astype(np.float32),
        fill=lowest.astype(np.float32),
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
    model = fit_linear("const", parts(NOISE))
    observed, expected = run(model, seen)
    for d in range(2):
        residual = (observed - expected)[seen.device == d]
        assert np.abs(residual.mean(axis=0)).max() < 1e-5
        assert np.ptp(expected[seen.device == d], axis=0).max() == 0


def test_var1_finds_the_matrix_that_made_the_series() -> None:
    matrix = np.array([[0.8, 0.1], [-0.3, 0.5]])
    series = autoregression(matrix, 20_000, level=1000)
    model = fit_linear("var1", parts([series]))
    span = model.parts.scale[0]
    in_units = model.found.before[0] * span[:, np.newaxis] / span[np.newaxis]
    assert in_units == pytest.approx(matrix, abs=0.03)
    seen = windows([autoregression(matrix, 5_000, level=1000, seed=1)])
    observed, expected = run(model, seen)
    noise = (observed - expected)[:, 0] * span
    assert noise.std(axis=0) == pytest.approx([1, 1], rel=0.05)


def test_pca_leaves_what_scikit_learn_leaves() -> None:
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 6))
    series = [hidden + 0.2 * rng.normal(size=(600, 6))]
    seen, model = windows(series), fit_linear("pca", parts(series))
    _, expected = run(model, seen)
    observed, _ = run(model, seen)
    peer = PCA(n_components=0.9, svd_solver="full").fit(observed[:, 0])
    want = peer.inverse_transform(peer.transform(observed[:, 0]))
    assert expected[:, 0] == pytest.approx(want, abs=1e-4)
    assert 1 <= peer.n_components_ < 6


def test_pca_leaves_a_residual_even_of_unrelated_signals() -> None:
    unrelated = [np.random.default_rng(0).uniform(size=(500, 3))]
    seen = windows(unrelated)
    observed, expected = run(fit_linear("pca", parts(unrelated)), seen)
    assert (observed - expected).std() > 0.1


@pytest.mark.parametrize("name", LINEAR)
def test_a_batch_of_many_devices_equals_each_on_its_own(name: str) -> None:
    seen = windows(NOISE)
    model = fit_linear(name, parts(NOISE))
    shuffled = np.random.default_rng(0).permutation(len(seen))
    _, together = run(model, seen[shuffled])
    for d in range(2):
        alone = fit_linear(name, parts([NOISE[d]]))
        mine = windows([NOISE[d]])
        _, want = run(alone, mine)
        assert together[np.argsort(shuffled)][seen.device == d] == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_a_signal_that_never_moved_is_expected_where_it_was(name: str) -> None:
    series = NOISE[0].copy()
    series[:, 2] = 0.5
    model = fit_linear(name, parts([series]))
    moved = windows([series])
    moved.window[:, -1, 2] = 0.75
    observed, expected = run(model, moved)
    assert np.isfinite(expected).all()
    assert (observed - expected)[:, 0, 2] == pytest.approx(0.25, abs=0.01)


def test_only_the_absurd_is_cut() -> None:
    model = fit_linear("const", parts([np.array([[0.0], [10.0], [5.0], [5.0]])]))
    window = np.array([[[5.0]], [[20.0]], [[1e9]]], np.float32)
    assert scaled(model, window).ravel().tolist() == [0.0, 1.5, 3.0]


def test_the_forest_isolates_what_lies_outside_and_repeats_by_its_seed() -> None:
    seen = windows(NOISE)
    detector = forest(parts(NOISE), seed=3)
    far = seen.window[:50] + 20
    inside = detector(seen.window, seen.device)
    assert detector(far, seen.device[:50]).min() > np.quantile(inside, 0.99)
    again = forest(parts(NOISE), seed=3)(seen.window, seen.device)
    assert (again == inside).all()
    assert (forest(parts(NOISE), seed=4)(seen.window, seen.device) != inside).any()


def test_random_does_not_look() -> None:
    seen = windows(NOISE)
    noise = random(0)(seen.window, seen.device)
    assert noise.shape == seen.device.shape
    assert (noise == random(0)(seen.window * 0, seen.device)).all()
    assert noise.std() == pytest.approx(12**-0.5, rel=0.1)


def test_refuses() -> None:
    with pytest.raises(ValueError, match="no baseline 'mean'; there are pca, var1, const"):
        fit_linear("mean", parts(NOISE))
