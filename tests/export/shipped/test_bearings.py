from pathlib import Path

import numpy as np
import pytest

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.demo.command import bundle_of
from edge_anomaly.files.bundle import ONNX_INT8, Bundle
from edge_anomaly.plants.bearings import DEVICES, PLANT, SIGNALS, Bearings, Failure
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer
from edge_export.families.vae import Config
from edge_export.shipped.bearings import SEED, build, recordings

FOLDER = bundle_of(PLANT)


@pytest.fixture(scope="module")
def shipped() -> tuple[Bundle, Model]:
    bundle = read_bundle(FOLDER)
    return bundle, load_model(bundle, FOLDER)


def ratios(shipped: tuple[Bundle, Model], plant: Bearings, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Score over threshold (n, shafts), and the bearing blamed first."""
    bundle, model = shipped
    scorer = Scorer(bundle, model)
    _, heard = plant.step(n)
    window = heard.transpose(0, 1, 3, 2).reshape(n * len(DEVICES), -1, len(SIGNALS))
    device = np.tile(np.arange(len(DEVICES)), n)
    scores = scorer.score(np.ascontiguousarray(window), device, np.repeat(np.arange(n), 2))
    shape = (n, len(DEVICES))
    return (
        (scores.score / scores.threshold).reshape(shape),
        scores.deviation.argmax(axis=1).reshape(shape),
    )


def test_ships_with_eight_bits_alone() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 12_000_000
    manifest = read_bundle(FOLDER).manifest
    assert list(manifest.branches[0].graphs) == [ONNX_INT8]
    assert manifest.devices == list(DEVICES)
    assert {signal.name: signal.unit for signal in manifest.signals} == SIGNALS
    assert manifest.provenance.metrics["drift_int8"] <= 0.02


def test_stays_quiet_while_nothing_is_broken(shipped: tuple[Bundle, Model]) -> None:
    assert SEED != 301
    ratio, _ = ratios(shipped, Bearings(301), 60)
    assert (ratio > 1).mean() < 0.04
    assert np.median(ratio) > 0.1  # quiet, not deaf


@pytest.mark.parametrize("bearing", range(4))
def test_finds_a_failing_bearing_in_the_first_half_of_its_time(
    shipped: tuple[Bundle, Model], bearing: int
) -> None:
    failure = Failure("shaft-2", bearing, 0, 40)
    ratio, first = ratios(shipped, Bearings(302, [failure]), 40)
    assert (ratio[20:, 1] > 1).all()
    assert (first[20:, 1] == bearing).all()
    assert (ratio[:, 0] > 1).mean() < 0.1


def test_the_builder_makes_a_bundle_for_both_shafts(tmp_path: Path) -> None:
    config = Config(
        segment=256, step=128, windows=71, layers=(16,), latent=4, epochs=1, fewest_nats=0.0
    )
    made = build(tmp_path / "bearings", snapshots=110, config=config)
    assert made.manifest.devices == list(DEVICES)


def test_recordings_lie_on_the_grid_of_snapshots() -> None:
    found = recordings(2)
    assert [one.device for one in found] == list(DEVICES)
    assert found[0].values.shape == (2 * 9216, 4)
    assert set(np.diff(found[0].t_ns)) == {50_000}
