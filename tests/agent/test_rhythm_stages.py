"""The stages for series with a rhythm, as a bundle builds them."""

from typing import Any

import msgspec
import numpy as np
import pytest

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import Branch, Manifest, Signal, Stage, Threshold
from edge_anomaly.files.manifest import Provenance
from edge_anomaly.scoring import Batch, Recipe
from edge_anomaly.scoring.rhythm import place_of_week
from edge_kernels import blamed_span

QUARTER = 900 * 10**9
MONDAY_NS = 1_704_067_200 * 10**9  # 1 January 2024, 00:00
DEVICES, SIGNALS, STEPS, PLACES = 2, 2, 8, 672
RNG = np.random.default_rng(0)
MEDIAN = RNG.normal(size=(DEVICES, PLACES, SIGNALS)).astype(np.float32)
SCALING: dict[str, Any] = {
    "centre": np.full((DEVICES, SIGNALS), 100, np.float32),
    "scale": np.full((DEVICES, SIGNALS), 10, np.float32),
}
LEAVES: dict[str, Any] = {  # one tree, one cut: feature 0 above 0 is soon parted from the rest
    "feature": np.array([0, 0, 0]),
    "threshold": np.array([0, 0, 0], np.float32),
    "child": np.array([1, 1, 2]),
    "length": np.array([0.0, 9.0, 1.0]),
    "root": np.array([[0]]),
    "depth": np.array([[1]]),
    "normal": np.array([5.0]),
    "columns": np.array([1]),
    "level": np.array([[[0.25, 0.75]], [[0.25, 0.5]]]),
}


def manifest(*recipe: Stage, offset: int = 0) -> Manifest:
    return Manifest(
        schema="edge-agent.bundle/1",
        name="m",
        version="1",
        family="usad",
        signals=[Signal(name=f"s{c}") for c in range(SIGNALS)],
        devices=[f"d{d}" for d in range(DEVICES)],
        period_ns=QUARTER,
        utc_offset_minutes=offset,
        branches=[Branch(name="b", window=STEPS, recipe=list(recipe))],
        threshold=Threshold(rule="quantile", parameter=0.99, windows=1),
        files={},
        provenance=Provenance(created="", command="", data_sha256="", seed=0),
    )


def batch(observed: np.ndarray, end_slot: int = STEPS, device: int = 0) -> Batch:
    rows = len(observed)
    return Batch(
        device=np.full(rows, device),
        end_ns=np.full(rows, MONDAY_NS + end_slot * QUARTER),
        window=observed * 10 + 100,
        observed=observed.astype(np.float32),
        expected=np.zeros_like(observed, np.float32),
    )


def recipe(stage: Stage, minutes: int = 0, /, **constants: Any) -> Recipe:
    made = manifest(stage, offset=minutes)
    named = {f"b.0.{stage.stage}.{name}": value for name, value in constants.items()}
    return Recipe(made, SCALING | named, made.branches[0])


def profile(offset: int = 0, **changes: Any) -> Recipe:
    tables = {"median": MEDIAN, "spread": np.full_like(MEDIAN, 2)}
    return recipe(Stage(stage="profile"), offset, **(tables | changes))


def test_monday_midnight_is_the_first_place_whatever_the_offset() -> None:
    end = np.array([MONDAY_NS + QUARTER])
    assert place_of_week(end, 2, QUARTER, PLACES, 0).tolist() == [[671, 0]]
    assert place_of_week(end - 3600 * 10**9, 1, QUARTER, PLACES, 60).tolist() == [[0]]


def test_slots_that_do_not_divide_a_week_have_a_place_all_the_same() -> None:
    ends = MONDAY_NS + np.arange(200_000, 260_000) * 11 * 10**9
    place = place_of_week(ends, 1, 11 * 10**9, 671, 0)
    assert place.min() == 0
    assert place.max() == 670


def test_the_profile_stage_takes_each_step_at_its_own_place() -> None:
    week = np.stack([MEDIAN[1, :STEPS], MEDIAN[1, :STEPS] + 2])
    looked_at = batch(week, device=1)
    off = profile().run(looked_at.residual, looked_at)
    np.testing.assert_allclose(off[0], 0, atol=1e-6)
    np.testing.assert_allclose(off[1], 1, atol=1e-5)
    assert looked_at.usual is not None
    np.testing.assert_allclose(looked_at.usual[0], MEDIAN[1, STEPS - 1] * 10 + 100, rtol=1e-5)
    assert looked_at.deviation is not None
    np.testing.assert_allclose(looked_at.deviation[1], 1, atol=1e-5)


def test_the_profile_stage_goes_by_local_time() -> None:
    looked_at = batch(MEDIAN[0, 4 : 4 + STEPS][np.newaxis])
    off = profile(offset=60).run(looked_at.residual, looked_at)
    np.testing.assert_allclose(off, 0, atol=1e-6)


def test_features_look_at_spans_and_at_timing() -> None:
    stage = Stage(stage="features", spans=[2, 4], radius=2)
    unit = np.full((DEVICES, SIGNALS), 0.5, np.float32)
    late = np.sin(np.arange(STEPS) / 2)[None, :, None].repeat(SIGNALS, 2).astype(np.float32)
    looked_at = batch(late)
    looked_at.expected = np.roll(late, 1, axis=1)
    found = recipe(stage, unit=unit).run(looked_at.residual, looked_at)
    assert found.shape == (1, 2, SIGNALS * (5 + 2))
    square, gap = found[0, 0, 10], found[0, 0, 12]
    assert square > gap > square - 1.5  # most of the error is a matter of timing
    assert looked_at.where is not None
    want = blamed_span(looked_at.observed[0], looked_at.expected[0], 2)
    assert looked_at.where(0) == want


def test_features_in_larger_units_are_smaller() -> None:
    stage = Stage(stage="features", spans=[STEPS])
    looked_at = batch(RNG.normal(size=(1, STEPS, SIGNALS)))
    small, large = (
        recipe(stage, unit=np.full((DEVICES, SIGNALS), unit, np.float32)).run(
            looked_at.residual, looked_at
        )
        for unit in (1, 10)
    )
    np.testing.assert_allclose(small[..., 0], 10 * large[..., 0], rtol=1e-5)


def test_elastic_mixes_mean_square_and_warping() -> None:
    late = np.sin(np.arange(STEPS) / 2)[None, :, None].repeat(SIGNALS, 2).astype(np.float32)
    mixed = []
    for share in (0.0, 0.5, 1.0):
        looked_at = batch(late)
        looked_at.expected = np.roll(late, 1, axis=1)
        stage = Stage(stage="elastic", radius=2, share=share)
        mixed.append(recipe(stage).run(looked_at.residual, looked_at))
    assert mixed[0].shape == (1, 1, SIGNALS)
    np.testing.assert_allclose(mixed[1], (mixed[0] + mixed[2]) / 2, rtol=1e-5)
    assert (mixed[2] < mixed[0]).all()


def test_a_forest_is_scaled_by_the_levels_of_each_device() -> None:
    looked_at = batch(np.zeros((2, STEPS, SIGNALS)))
    looked_at.device = np.array([0, 1])
    tracks = np.array([[[1.0]], [[1.0]]], np.float32)  # a path of one cut: 2 ** -0.2
    got = recipe(Stage(stage="forest"), **LEAVES).run(tracks, looked_at)
    unusual = 2 ** (-1 / 5)
    want = [(unusual - 0.25) / 0.5, (unusual - 0.25) / 0.25]
    np.testing.assert_allclose(got[:, 0], want, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("level", LEAVES["level"][..., ::-1], "levels that do not rise"),
        ("child", np.array([1, 7, 2]), "trees that are none"),
        ("depth", np.array([[1, 1]]), "do not fit each other"),
        ("columns", np.array([1, 2]), "shape"),
        ("threshold", np.array([np.nan, 0, 0]), "finite"),
    ],
)
def test_a_forest_that_is_none_is_refused(name: str, value: Any, match: str) -> None:
    with pytest.raises(BundleError, match=match):
        recipe(Stage(stage="forest"), **(LEAVES | {name: value}))


def test_tables_that_cannot_be_divided_by_are_refused() -> None:
    with pytest.raises(BundleError, match="spread that is not positive"):
        profile(spread=np.zeros_like(MEDIAN))
    with pytest.raises(BundleError, match="unit that is not positive"):
        recipe(Stage(stage="features", spans=[2]), unit=np.zeros((DEVICES, SIGNALS)))


@pytest.mark.parametrize(
    "stage", [Stage(stage="features"), Stage(stage="elastic", radius=1), Stage(stage="elastic")]
)
def test_a_stage_without_its_parameters_is_refused(stage: Stage) -> None:
    with pytest.raises(BundleError, match=f"stage '{stage.stage}' needs"):
        recipe(stage, unit=np.ones((DEVICES, SIGNALS)))


def test_tracks_of_another_shape_are_refused() -> None:
    looked_at = batch(np.zeros((1, STEPS, SIGNALS)))
    with pytest.raises(BundleError, match="do not fit"):
        recipe(Stage(stage="forest"), **LEAVES).run(np.zeros((1, 2, 1), np.float32), looked_at)


def test_the_manifest_keeps_the_stages_parameters() -> None:
    stage = Stage(stage="features", spans=[2, 4], radius=3)
    again = msgspec.convert(msgspec.to_builtins(stage), Stage)
    assert again == stage
