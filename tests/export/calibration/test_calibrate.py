from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_anomaly.errors import ConfigError, RecordingError
from edge_anomaly.files.bundle import Bundle, Manifest, Signal, Threshold
from edge_anomaly.scoring import Batch, Recipe, smoothing_weight
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.calibrate import calibrate
from edge_export.calibration.recipes import default_recipe, distance_recipe
from edge_export.calibration.residual_fits import DEVIATION_FLOOR, RIDGE
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording
from edge_export.families.gevae import Config as GevaeConfig
from edge_export.families.lstm_ae import Config

N = 4000


@pytest.fixture
def manifest(bundle: Bundle) -> Manifest:
    return msgspec.structs.replace(bundle.manifest, devices=["a", "b"])


def residuals(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two devices in turn: autoregressive residuals of known coefficient and size."""
    rng = np.random.default_rng(seed)
    r = rng.normal(0, [0.1, 0.2, 0.05, 0.4], (N, 4))
    for i in range(2, N):
        r[i] += np.where(i % 2, 0.8, 0.0) * r[i - 2]
    return r[:, None].astype(np.float32), np.arange(N) % 2


def batch(residual: np.ndarray, device: np.ndarray) -> Batch:
    return Batch(device, np.arange(len(device)) * 60 * 10**9, residual, residual, residual * 0)


def fitted(
    manifest: Manifest, residual: np.ndarray, device: np.ndarray, rule: Rule | None = None
) -> tuple[dict[str, np.ndarray], Threshold]:
    return calibrate(manifest, {}, [batch(residual, device)], rule or Rule())


def run(
    manifest: Manifest,
    constants: dict[str, np.ndarray],
    residual: np.ndarray,
    device: np.ndarray,
    upto: int | None = None,
) -> np.ndarray:
    recipe = Recipe(manifest, constants, part=slice(upto))
    return recipe.run(residual, batch(residual, device))


def test_each_stage_is_fitted_on_what_the_stages_before_it_make(manifest: Manifest) -> None:
    residual, device = residuals()
    constants, _ = fitted(manifest, residual, device)
    np.testing.assert_allclose(
        constants["1.whiten.phi"], np.array([[0.0], [0.8]]) * np.ones(4), atol=0.07
    )
    tracks = run(manifest, constants, residual, device, 2)
    for d in (0, 1):
        size = np.abs(tracks[device == d])
        np.testing.assert_allclose(constants["2.standardise.mean"][d], size.mean(0), rtol=1e-4)
        want = size.std(0) + DEVIATION_FLOOR
        np.testing.assert_allclose(constants["2.standardise.deviation"][d], want, rtol=1e-4)


def test_smooth_takes_the_levels_of_score_and_average(manifest: Manifest) -> None:
    residual, device = residuals()
    constants, _ = fitted(manifest, residual, device)
    scores = run(manifest, constants, residual, device, 5)
    alpha = smoothing_weight(12.0, manifest.period_ns)
    for d in (0, 1):
        mine = scores[device == d].astype(np.float64)
        average = mine.copy()
        for i in range(1, len(mine)):
            average[i] = average[i - 1] + alpha * (mine[i] - average[i - 1])
        want = np.stack([np.quantile(mine, 0.99, axis=0), np.quantile(average, 0.99, axis=0)], -1)
        np.testing.assert_allclose(constants["5.smooth.scale"][d], want, rtol=1e-3)


@pytest.mark.parametrize(
    "rule", [Rule("quantile", 0.99), Rule("mean-std", 2.0)], ids=lambda rule: rule.name
)
def test_the_threshold_follows_its_rule_per_device(manifest: Manifest, rule: Rule) -> None:
    residual, device = residuals()
    constants, said = fitted(manifest, residual, device, rule)
    score = run(manifest, constants, residual, device)
    for d in (0, 1):
        mine = score[device == d, 0]
        want = {
            "quantile": np.quantile(mine, 0.99),
            "mean-std": mine.mean() + 2 * mine.std(),
        }[rule.name]
        assert constants["threshold"][d] == pytest.approx(want, rel=1e-5)
    assert (said.rule, said.parameter, said.windows) == (rule.name, rule.parameter, N // 2)


def test_a_device_that_never_erred_gets_finite_constants(manifest: Manifest) -> None:
    residual, device = residuals()
    residual[device == 1] = 0
    constants, _ = fitted(manifest, residual, device)
    assert all(np.isfinite(value).all() for value in constants.values())
    assert (constants["threshold"] > 0).all()
    score = run(manifest, constants, residual, device)
    assert np.isfinite(score).all()


def test_too_little_held_out_time_is_refused(manifest: Manifest) -> None:
    residual, device = residuals()
    with pytest.raises(RecordingError, match="b: 20 held-out windows, at least 30"):
        fitted(manifest, residual[:41], device[:41])


def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Rule("quantile", 2.0)
    with pytest.raises(ValueError, match="no threshold rule"):
        Rule("best-f1", 0.5)


@pytest.mark.parametrize(("signals", "largest"), [(1, 1), (4, 3), (19, 3), (20, 5), (38, 5)])
def test_how_many_signals_count_depends_on_how_many_there_are(signals: int, largest: int) -> None:
    (reduce,) = [stage for stage in default_recipe(signals) if stage.stage == "reduce"]
    assert reduce.largest == largest


def test_labels_change_nothing(
    tmp_path: Path, recordings: list[Recording], small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    labelled = [replace(r, labels=np.arange(len(r.t_ns)) > 500, causes=()) for r in recordings]
    plan = Plan(name="same", torchscript=False)
    plain, marked = (
        train_bundle("lstm-ae", some, small, tmp_path / str(i), plan)
        for i, some in enumerate((recordings, labelled))
    )
    assert plain.sha256 == marked.sha256


def test_a_distance_is_calibrated_by_the_covariance_of_all_other_windows(
    manifest: Manifest,
) -> None:
    manifest = msgspec.structs.replace(manifest, devices=["a"], recipe=distance_recipe()[:2])
    rng = np.random.default_rng(0)
    n = 40
    residual = rng.normal(0, [0.1, 0.2, 0.05, 0.4], (n, 1, 4)).astype(np.float32)
    constants, _ = fitted(manifest, residual, np.zeros(n, np.int64), Rule("quantile", 1 - 1e-9))
    spread = np.cov(residual[:, 0].T, bias=True)
    ridge = RIDGE * np.trace(spread) / 4
    left_out = []
    for i in range(n):
        others = np.delete(residual[:, 0], i, axis=0).astype(np.float64)
        off = residual[i, 0] - others.mean(axis=0)
        metric = np.cov(others.T, bias=True) + ridge * n / (n - 1) * np.eye(4)
        left_out.append(np.sqrt(off @ np.linalg.solve(metric, off)))
    assert constants["threshold"][0] == pytest.approx(max(left_out), rel=1e-4)
    # Where they are seen again, they lie within it.
    assert run(manifest, constants, residual, np.zeros(n, np.int64)).max() < max(left_out)


def test_a_limit_on_distances_holds_on_time_that_it_never_saw(manifest: Manifest) -> None:
    signals = [Signal(name=f"s{i}") for i in range(30)]
    recipe = distance_recipe()[:2]
    manifest = msgspec.structs.replace(manifest, devices=["a"], recipe=recipe, signals=signals)
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, 0.1, (5000, 1, 30)).astype(np.float32)
    row = np.zeros(5000, np.int64)
    constants, _ = fitted(manifest, drawn[:500], row[:500], Rule("quantile", 0.95))
    later = run(manifest, constants, drawn[500:], row[500:]) > constants["threshold"][0]
    assert later.mean() == pytest.approx(0.05, abs=0.02)  # .1 by distances of their own


def test_a_network_is_judged_by_the_statistic_that_it_asks_for(
    tmp_path: Path, recordings: list[Recording], small: Config
) -> None:
    plan = Plan(name="whole", torchscript=False, smooth_minutes=5.0)
    config = replace(small, statistic="mahalanobis")
    bundle = train_bundle("lstm-ae", recordings, config, tmp_path / "bundle", plan)
    assert [(s.stage, s.how) for s in bundle.manifest.recipe] == [
        ("residual", None), ("reduce", "mahalanobis"), ("smooth", None),
    ]  # fmt: skip


@pytest.mark.parametrize("family", [Config, GevaeConfig], ids=["lstm-ae", "gevae"])
def test_a_statistic_that_is_none_is_refused(family: type) -> None:
    with pytest.raises(ConfigError, match="statistic: no 'spread'; there are residual, mahal"):
        family(statistic="spread")
