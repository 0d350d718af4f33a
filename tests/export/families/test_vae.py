"""The family `vae`: from blocks of samples to a bundle that blames a bearing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edge_anomaly.adapters import bundles
from edge_anomaly.files.bundle import ONNX, ONNX_INT8, TORCHSCRIPT, Bundle
from edge_anomaly.plants.vibration import Damage
from edge_anomaly.scoring import Scorer
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, Slicing, windows
from edge_export.families import find
from edge_export.families.family import UselessModelError
from edge_export.families.projection import project
from edge_export.families.vae import Config, Shown, Vae, train
from edge_export.families.vae_bundle import course_of, graph, new_model, recipe, scalers, show
from edge_export.graphs.verify import OnnxGraph, load_model
from edge_export.grounds.bearings import PERIOD_NS, SIGNALS, recording

RATE = 20_000.0
# A snapshot of 9216 samples with coarser lines, so that a second is enough to learn it.
SMALL = Config(
    segment=256, step=128, windows=71, layers=(256, 16), latent=4, epochs=8, fewest_nats=0.1
)
PLAN = Plan(
    name="bearings",
    period_ns=PERIOD_NS,
    rule=Rule(parameter=0.99),
    units=dict.fromkeys(SIGNALS, "g"),
)


@pytest.fixture(scope="module")
def healthy() -> list[Recording]:
    return [recording(1, 120, device="shaft-1"), recording(2, 120, device="shaft-2")]


@pytest.fixture(scope="module")
def bundle(healthy: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return train_bundle("vae", healthy, SMALL, tmp_path_factory.mktemp("vae") / "bearings", PLAN)


def features(n: int = 40, seed: int = 1) -> Shown:
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((n, 2)) @ rng.standard_normal((2, 512))
    noisy = 3 + mixed + 0.1 * rng.standard_normal((n, 512))
    return Shown(noisy.reshape(n, 256, 2).astype(np.float32), np.arange(n) % 2)


def test_the_presets_are_the_published_network_on_8192_inputs() -> None:
    for name in ("default", "paper"):
        config = find("vae").presets[name]
        model = Vae(torch.zeros(1, 1, 4), torch.ones(1, 1, 4), config)
        widths = [m.out_features for m in model.modules() if isinstance(m, torch.nn.Linear)]
        assert model.inputs == 8192
        assert widths == [512, 256, 128, 16, 16, 128, 256, 512, 8192]
    assert find("vae").presets["default"].window == 9216
    paper = find("vae").presets["paper"]
    assert (paper.window, paper.hop, paper.beta) == (2048, 1024, 1.0)


def test_the_divergence_weighs_against_the_mean_in_the_paper_and_the_sum_by_default() -> None:
    centre, scale = torch.zeros(1, 1, 4), torch.ones(1, 1, 4)
    assert Vae(centre, scale, Config()).weight == pytest.approx(1 / 8192)
    assert Vae(centre, scale, find("vae").presets["paper"]).weight == 1.0


def test_training_lowers_the_loss_repeats_and_leaves_the_best_weights() -> None:
    config = replace(SMALL, epochs=6)
    fit, held = features(), features(seed=2)

    def trained() -> tuple[Vae, list[float]]:
        model = new_model(fit, 2, config)
        return model, train(model, fit, held, course_of(config)).total

    (model, losses), (again, same) = trained(), trained()
    assert losses == same
    assert min(losses) < losses[0]
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize(("windows", "steps"), [(40, 24), (800, 25)])
def test_few_windows_are_seen_again_until_an_epoch_has_its_steps(windows: int, steps: int) -> None:
    config = replace(SMALL, epochs=1, batch=32)
    fit = features(windows)
    model = new_model(fit, 2, config)
    learnt: list[int] = []
    model.encoder.register_forward_hook(
        lambda _module, given, _found: (
            learnt.append(len(given[0])) if torch.is_grad_enabled() else None
        )
    )
    train(model, fit, features(), course_of(config))
    assert steps <= len(learnt) <= steps + 1
    assert max(learnt) == 32


def test_each_device_is_scaled_by_its_own_healthy_time() -> None:
    shown = features()
    loud = Shown(
        shown.features * (1 + shown.device[:, None, None]).astype(np.float32), shown.device
    )
    model = new_model(loud, 2, SMALL)
    with torch.no_grad():
        scaled, _, _ = model(torch.from_numpy(loud.features), torch.from_numpy(loud.device))
    for d in range(2):
        mine = scaled[torch.from_numpy(loud.device) == d]
        torch.testing.assert_close(mine.mean(0), torch.zeros(256, 2), atol=1e-4, rtol=0)
        torch.testing.assert_close(mine.std(0, correction=0), torch.ones(256, 2), atol=1e-3, rtol=0)


def test_the_graph_draws_nothing_and_answers_batches_of_any_size() -> None:
    model = new_model(features(), 2, SMALL)
    runtime = OnnxGraph.from_bytes(graph(model))
    shown = features(7, seed=3)
    feed: dict[str, NDArray[Any]] = {"window": shown.features, "device": shown.device}
    once, twice = runtime.run(feed), runtime.run(feed)
    assert once["observed"].shape == once["expected"].shape == (7, 256, 2)
    assert once["latent"].shape == (7, 4)
    alone = [runtime.run({k: v[i : i + 1] for k, v in feed.items()}) for i in range(7)]
    for name, answer in once.items():
        np.testing.assert_array_equal(answer, twice[name])
        together = np.concatenate([one[name] for one in alone])
        np.testing.assert_allclose(together, answer, atol=1e-5)


def test_the_agents_kernel_makes_what_the_network_is_shown(healthy: list[Recording]) -> None:
    slicing = Slicing(SMALL.window, PERIOD_NS, SMALL.hop)
    seen = windows(healthy, slicing, ["shaft-1", "shaft-2"], np.zeros((2, 4), np.float32))
    assert len(seen) == 240
    np.testing.assert_array_equal(seen.window[1], healthy[0].values[9216 : 2 * 9216])
    assert show(seen, SMALL, RATE).features.shape == (240, 256, 4)


def test_a_bundle_answers_alike_in_every_runtime(bundle: Bundle) -> None:
    said = bundle.manifest.provenance.metrics
    [branch] = bundle.manifest.branches
    assert {ONNX, TORCHSCRIPT} <= branch.graphs.keys()
    assert said["parity_onnx"] < 1e-5
    assert said["parity_torchscript"] < 1e-5
    assert said["held_out_nats"] > SMALL.fewest_nats
    assert (branch.window, branch.hop) == (9216, 9216)
    assert "drift_int8" in said
    assert (ONNX_INT8 in branch.graphs) == (said["drift_int8"] <= 0.02)


def judged(bundle: Bundle, found: Recording) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Score over threshold, and the signal that is blamed first, of each snapshot."""
    scorer = Scorer(bundle, load_model(bundle))
    window = found.values.reshape(-1, 9216, 4)
    row = bundle.manifest.devices.index(found.device)
    scores = scorer.score(window, np.full(len(window), row), np.arange(len(window)))
    return scores.score / scores.threshold, scores.deviation.argmax(axis=1)


def test_damage_is_found_and_the_bearing_is_blamed(bundle: Bundle) -> None:
    for device, bearing in (("shaft-1", 0), ("shaft-2", 2)):
        ratio, first = judged(bundle, recording(7, 20, Damage.at(bearing, -3), device=device))
        assert (ratio > 1).mean() > 0.9
        assert (first == bearing).mean() > 0.9
        quiet, _ = judged(bundle, recording(8, 40, device=device))
        assert (quiet > 1).mean() < 0.4  # 36 held-out snapshots make a poor threshold


def test_what_is_told_of_a_bearing_is_its_loudness(bundle: Bundle) -> None:
    found = recording(9, 3)
    scores = Scorer(bundle, load_model(bundle)).score(
        found.values.reshape(3, 9216, 4), np.zeros(3, np.int64), np.arange(3)
    )
    loud = found.values.reshape(3, 9216, 4).std(axis=1)
    np.testing.assert_allclose(scores.observed, loud, rtol=1e-4)
    np.testing.assert_allclose(scores.expected, 1.0, rtol=0.1)


def test_a_collapsed_model_is_refused_and_nothing_is_written(
    healthy: list[Recording], tmp_path: Path
) -> None:
    deaf = replace(SMALL, beta=1e4, epochs=2, fewest_nats=1.0)
    with pytest.raises(UselessModelError, match=r"vae: the latent says 0\.\d\d nats"):
        train_bundle("vae", healthy, deaf, tmp_path / "deaf", PLAN)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("preset", ["paper", "components", "mean"])
def test_other_presets_become_bundles_too(
    preset: str, healthy: list[Recording], tmp_path: Path
) -> None:
    config = replace(
        find("vae").presets[preset],
        segment=SMALL.segment,
        step=SMALL.step,
        windows=SMALL.windows,
        layers=SMALL.layers,
        latent=SMALL.latent,
        epochs=1,
    )
    plan = replace(PLAN, torchscript=False)
    few = [replace(healthy[0], t_ns=t, values=v, labels=None) for t, v in [_first(healthy[0], 110)]]
    made = train_bundle("vae", few, config, tmp_path / preset, plan)
    assert (ONNX_INT8 in made.manifest.branches[0].graphs) <= (preset == "paper")
    window = few[0].values[: config.window][np.newaxis]
    scores = Scorer(made, load_model(made)).score(
        window, np.zeros(1, np.int64), np.zeros(1, np.int64)
    )
    assert np.isfinite(scores.score).all()
    assert scores.deviation.shape == (1, 4)


def _first(found: Recording, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    return found.t_ns[: n * 9216], found.values[: n * 9216]


def test_components_are_those_of_the_definition() -> None:
    shown = features()
    found = project(shown, *scalers(shown, 2, SMALL), 3)
    with torch.no_grad():
        scaled, expected, latent = found(
            torch.from_numpy(shown.features), torch.from_numpy(shown.device)
        )
    flat = scaled.flatten(1).numpy()
    _, _, axes = np.linalg.svd(flat, full_matrices=False)
    want = flat @ axes[:3].T @ axes[:3]
    np.testing.assert_allclose(expected.flatten(1), want, atol=1e-3)
    assert latent.shape == (40, 3)


def test_the_mean_expects_nothing_of_a_standardised_window() -> None:
    shown = features()
    found = project(shown, *scalers(shown, 2, SMALL), 0)
    with torch.no_grad():
        _, expected, _ = found(torch.from_numpy(shown.features), torch.from_numpy(shown.device))
    assert not expected.any()


def test_the_band_follows_the_rate() -> None:
    [before], _ = recipe(Config(), 12_000.0)
    assert before.band == (1200.0, 5700.0)


def test_eight_bits_that_move_the_score_too_far_do_not_ship(
    healthy: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_export.bundles.train.LARGEST_DRIFT", 0.0)
    plan = replace(PLAN, torchscript=False, float32=False)
    config = replace(SMALL, epochs=1, fewest_nats=0.0)
    made = train_bundle("vae", healthy[:1], config, tmp_path / "exact", plan)
    assert list(made.manifest.branches[0].graphs) == [ONNX]
    assert made.manifest.provenance.metrics["drift_int8"] > 0
    assert not list((tmp_path / "exact").glob("*int8*"))


def test_where_eight_bits_ship_float32_may_stay_behind(
    healthy: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_export.bundles.train.LARGEST_DRIFT", 1.0)
    plan = replace(PLAN, torchscript=False, float32=False)
    config = replace(SMALL, epochs=1, fewest_nats=0.0)
    folder = tmp_path / "small"
    made = train_bundle("vae", healthy[:1], config, folder, plan)
    assert list(made.manifest.branches[0].graphs) == [ONNX_INT8]
    loaded = bundles.load_model(bundles.read_bundle(folder), folder)  # as the agent does
    assert loaded.graphs["main"].inputs == ["window", "device"]
