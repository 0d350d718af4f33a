"""The stages `spectrum` and `lines`, as a recipe names them."""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from plants import bundle

from edge_anomaly.alarms.findings import by_sound
from edge_anomaly.alarms.sentences import signals_off
from edge_anomaly.errors import BundleError
from edge_anomaly.files.manifest import Branch, Manifest, Stage
from edge_anomaly.scoring import Batch, Recipe, before, loudness
from edge_anomaly.values import Contributor

WINDOW = 64
SPECTRUM = Stage(stage="spectrum", segment=16, step=8, band=(0.1, 0.4))
LINES = Stage(stage="lines", largest=2)


def manifest(*stages: Stage) -> Manifest:
    """Two devices, two signals, a sample a second."""
    branch = Branch(name="main", window=WINDOW, hop=WINDOW, recipe=[SPECTRUM])
    return msgspec.structs.replace(
        bundle().manifest, branches=[branch], recipe=list(stages) or [LINES]
    )


def constants(**changes: NDArray[Any]) -> dict[str, NDArray[Any]]:
    usual = {
        "mean": np.zeros((2, 4, 2)),
        "deviation": np.ones((2, 4, 2)),
        "usual": np.zeros((2, 2, 2)),
        "spread": np.ones((2, 2, 2)),
        "loudness": np.full((2, 2), 3.0),
    }
    return {f"0.lines.{name}": value for name, value in (usual | changes).items()}


def batch(residual: NDArray[np.float32]) -> Batch:
    n = len(residual)
    window = np.tile(np.array([1, -1], np.float32)[:, None], (n, WINDOW // 2, 2))
    device = np.arange(n) % 2
    return Batch(device, device, window, residual, np.zeros_like(residual))


def test_a_block_becomes_spectra_before_its_graph() -> None:
    change = before(manifest(), {}, manifest().branches[0])
    block = np.random.default_rng(1).standard_normal((3, WINDOW, 2)).astype(np.float32)
    assert change is not None
    assert change(block).shape == (3, 16, 2)


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Stage(stage="spectrum", step=8, band=(0.1, 0.4)), "segment"),
        (Stage(stage="spectrum", segment=16, step=8), "band"),
        (Stage(stage="spectrum", segment=128, step=8, band=(0.1, 0.4)), "not 128"),
        (Stage(stage="spectrum", segment=15, step=8, band=(0.1, 0.4)), "not 15"),
        (Stage(stage="spectrum", segment=16, step=8, band=(0.5, 0.6)), "no band"),
        (Stage(stage="spectrum", segment=16, step=8, band=(0.4, 0.1)), "no band"),
    ],
)
def test_refuses_a_spectrum_that_cannot_be(stage: Stage, message: str) -> None:
    branch = Branch(name="main", window=WINDOW, hop=WINDOW, recipe=[stage])
    with pytest.raises(BundleError, match=message):
        before(manifest(), {}, branch)


def test_lines_are_judged_by_their_healthy_levels_and_blame_a_signal() -> None:
    residual = np.zeros((2, 16, 2), np.float32)
    residual[1, 9, 1] = 6.0  # of the envelope
    one = batch(residual)
    recipe = Recipe(manifest(), constants(spread=np.full((2, 2, 2), 0.5)))
    tracks = recipe.run(one.residual, one)
    assert tracks.shape == (2, 2, 2)
    assert not tracks[0].any()
    assert tracks[1, :, 1].tolist() == [36 / 16 / 0.5, 3 / 0.5]
    assert one.deviation is not None
    assert one.deviation.tolist() == [[0, 0], [0, 6]]


def test_a_signal_is_told_by_its_loudness() -> None:
    one = batch(np.zeros((2, 16, 2), np.float32))
    Recipe(manifest(), constants()).run(one.residual, one)
    assert one.value is not None
    assert one.usual is not None
    assert one.value.tolist() == [[1, 1], [1, 1]]
    assert one.usual.tolist() == [[3, 3], [3, 3]]


def test_loudness_of_readings_beyond_measure_is_no_error() -> None:
    assert loudness(np.array([[[3e38], [-3e38]]], np.float32)) == np.float32(3e38)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deviation": np.zeros((2, 4, 2))}, "not positive"),
        ({"deviation": np.ones((2, 3, 2))}, "another shape"),
        ({"spread": np.zeros((2, 2, 2))}, "not positive"),
        ({"usual": np.zeros((2, 1, 2))}, "usual"),
        ({"loudness": np.zeros((2, 3))}, "loudness"),
    ],
)
def test_refuses_constants_that_do_not_fit(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Recipe(manifest(), constants(**changes))


def test_refuses_more_lines_than_there_are() -> None:
    one = batch(np.zeros((1, 4, 2), np.float32))  # two of the envelope, four are asked for
    with pytest.raises(BundleError, match="do not fit"):
        Recipe(manifest(), constants()).run(one.residual, one)


def test_an_alarm_by_sound_names_the_bearing_and_not_its_level() -> None:
    blamed = [
        Contributor(signal="bearing_3", share=0.94, value=1.02, expected=1.0),
        Contributor(signal="bearing_2", share=0.06, value=1.0, expected=1.0),
    ]
    assert by_sound(manifest(LINES))
    assert not by_sound(manifest(Stage(stage="residual")))
    assert signals_off(blamed, {"bearing_3": "g"}, heard=True) == (
        "bearing_3 vibrates unlike its healthy self, at 1.02 g "
        "(94% of the deviation, then bearing_2)"
    )
