import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from years import year

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.scoring import Scorer
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import BUDGET, Rule
from edge_export.data.recordings import Recording, Slicing, cut, windows
from edge_export.families.family import UselessModelError
from edge_export.families.usad import FAMILY, PRESETS, Config, settle, spans
from edge_export.graphs.verify import load_model
from edge_export.grounds.power import DAY, PERIOD_NS, power_ground
from edge_export.grounds.power_faults import Kind, inject

YEAR = year()
LEARN = cut(YEAR, 0, int(YEAR.t_ns[203 * DAY]))
FEW = cut(YEAR, 0, int(YEAR.t_ns[28 * DAY]))
HOUR = 3600 * 10**9
TINY = Config(
    network=True,
    hidden=12,
    latent=4,
    epochs=6,
    every=6,
    trees=20,
    context=24,
    learning_rate=1e-2,
)
PLAN = Plan(name="mill", rule=Rule(BUDGET, 0.1), torchscript=False)


def scores(bundle: Bundle, recording: Recording) -> np.ndarray:
    """Score of each slot, 0 where there is none."""
    period = bundle.manifest.period_ns
    seen = windows(
        [recording],
        Slicing(bundle.window, period),
        bundle.manifest.devices,
        bundle.calibration["fill"],
    )
    found = Scorer(bundle, load_model(bundle)).score(seen.window, seen.device, seen.slot)
    full = np.zeros(recording.t_ns.size)
    full[seen.slot - recording.t_ns[0] // period] = found.score
    return full


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    logging.disable()
    out = tmp_path_factory.mktemp("usad") / "bundle"
    bundle = train_bundle(FAMILY, [LEARN], PRESETS["default"], out, PLAN)
    logging.disable(logging.NOTSET)
    return bundle


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("usad") / "bundle"
    return train_bundle(FAMILY, [FEW], TINY, out, replace(PLAN, torchscript=True))


def test_the_default_has_no_graph_and_looks_at_one_two_and_four_hours(quiet: Bundle) -> None:
    (branch,) = quiet.manifest.branches
    assert not branch.graphs
    assert branch.window == 16
    assert [stage.stage for stage in branch.recipe] == ["profile", "features", "forest"]
    assert branch.recipe[1].spans == [4, 8, 16]


def test_it_alarms_on_every_kind_of_fault_in_a_regular_load(quiet: Bundle) -> None:
    faulty = inject(power_ground([YEAR]), 1)
    above = scores(quiet, faulty.recording) > quiet.calibration["threshold"][0]
    missed = {f.kind for f in faulty.faults if not above[f.start : f.end + 8].any()}
    assert missed <= {Kind.SPIKES}
    labels = faulty.recording.labels
    assert labels is not None
    assert above[203 * DAY :][~labels[203 * DAY :]].mean() < 0.02


def test_training_twice_gives_the_same_bundle(quiet: Bundle, tmp_path: Path) -> None:
    again = train_bundle(FAMILY, [LEARN], PRESETS["default"], tmp_path / "again", PLAN)
    for name, array in quiet.calibration.items():
        assert again.calibration[name].tobytes() == array.tobytes(), name


def test_the_expected_value_is_the_week_in_engineering_units(quiet: Bundle) -> None:
    noon = cut(YEAR, int(YEAR.t_ns[0]), int(YEAR.t_ns[45]))
    seen = windows(
        [noon], Slicing(16, PERIOD_NS), quiet.manifest.devices, quiet.calibration["fill"]
    )
    found = Scorer(quiet, load_model(quiet)).score(seen.window, seen.device, seen.slot)
    np.testing.assert_allclose(found.expected[-1], found.observed[-1], rtol=0.1)


def test_the_network_is_told_the_time_and_answers_alike_in_three_runtimes(told: Bundle) -> None:
    week, network = told.manifest.branches
    assert (week.name, network.name, network.window) == ("week", "network", 24)
    assert set(network.graphs) == {"onnx", "torchscript"}
    assert "clock" in load_model(told).graphs["network"].inputs
    metrics = told.manifest.provenance.metrics
    assert max(metrics["parity_onnx"], metrics["parity_torchscript"]) < 1e-5
    assert metrics["missed"] < 0.9


def test_the_network_says_where_in_the_window_an_alarm_lies(told: Bundle) -> None:
    broken = YEAR.values[: 6 * 7 * DAY].copy()
    at = 30 * DAY + 48
    broken[at : at + 4] += 300
    recording = replace(cut(YEAR, 0, int(YEAR.t_ns[6 * 7 * DAY])), values=broken.astype(np.float32))
    seen = windows(
        [recording], Slicing(24, PERIOD_NS), told.manifest.devices, told.calibration["fill"]
    )
    row = int(np.flatnonzero(seen.slot - recording.t_ns[0] // PERIOD_NS == at + 9)[0])
    some = seen[row : row + 1]
    found = Scorer(told, load_model(told)).score(some.window, some.device, some.slot)
    span = found.where(0)
    assert span is not None
    assert 23 - 9 - 3 <= span[0] <= span[1] <= 23 - 9 + 3 + 3


def test_the_published_pipeline_is_a_window_a_period_and_two_votes(tmp_path: Path) -> None:
    config = replace(PRESETS["paper"], lengths=(10, 4), hidden=4, epochs=1, every=12, trees=20)
    bundle = train_bundle(FAMILY, [FEW], config, tmp_path / "bundle", PLAN)
    assert [branch.window for branch in bundle.manifest.branches] == [10, 4]
    for branch in bundle.manifest.branches:
        elastic, forest = branch.recipe
        assert (elastic.stage, elastic.share, forest.stage) == ("elastic", 0.5, "forest")
        assert elastic.radius == 1
    (combine,) = bundle.manifest.recipe
    assert (combine.how, combine.votes) == ("votes", 2)


def test_published_windows_are_the_strongest_harmonics() -> None:
    settled = settle([LEARN], PRESETS["paper"], PERIOD_NS)
    assert len(settled.lengths) == 3
    assert settled.window == max(settled.lengths) < DAY


def test_a_network_that_learnt_nothing_is_refused_and_nothing_written(tmp_path: Path) -> None:
    lazy = replace(TINY, epochs=1, learning_rate=1e-9)
    with pytest.raises(UselessModelError, match="--no-network"):
        train_bundle(FAMILY, [FEW], lazy, tmp_path / "bundle", PLAN)
    assert not (tmp_path / "bundle").exists()


def test_windows_follow_the_rhythm_and_spans_the_clock() -> None:
    settled = settle([LEARN], PRESETS["network"], PERIOD_NS)
    assert settled.context == settled.window == 96
    assert settle([LEARN], PRESETS["default"], PERIOD_NS).window == 16
    assert spans(Config(), 60 * 10**9) == [60, 120, 240]
    assert spans(Config(), HOUR) == [2, 4]


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (Config(hours=()), "hours"),
        (Config(hours=(1, 0)), "hours"),
        (Config(window=8), "window: 8 slots do not hold"),
        (Config(published=True, lengths=(96, 12), window=24), "window: the longest"),
    ],
)
def test_settings_that_cannot_be_are_refused(config: Config, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        settle([LEARN], config, PERIOD_NS)
