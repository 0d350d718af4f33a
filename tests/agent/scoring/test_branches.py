"""Several branches, graphs with a state, graphs that run ahead, and graphs that know the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from plants import DEVICES, SECOND, SIGNALS, bundle

from edge_anomaly.errors import BundleError, StateError
from edge_anomaly.files.bundle import Branch, Manifest, Stage, Threshold
from edge_anomaly.ports import Graph, Model
from edge_anomaly.scoring import Scorer, clock, hour_of_week

Arrays = Mapping[str, NDArray[Any]]
HOUR = 3600 * SECOND
REDUCE = [Stage(stage="residual"), Stage(stage="reduce", how="mean-square")]


@dataclass(frozen=True)
class By:
    """A graph made of a function."""

    inputs: Sequence[str]
    function: Callable[[Arrays], dict[str, NDArray[np.float32]]]
    provider: str = "by hand"

    def run(self, feed: Arrays) -> dict[str, NDArray[np.float32]]:
        return self.function({name: feed[name] for name in self.inputs})


@dataclass(frozen=True)
class Spec:
    manifest: Manifest
    calibration: Mapping[str, NDArray[Any]]


def spec(branches: list[Branch], recipe: Sequence[Stage] = (), **constants: Any) -> Spec:
    small = bundle()
    manifest = msgspec.structs.replace(small.manifest, branches=branches, recipe=list(recipe))
    scaling = {key: small.calibration[key] for key in ("threshold", "centre", "scale", "fill")}
    return Spec(manifest, scaling | constants)


def remembering() -> tuple[Branch, Model]:
    """Observes the newest step; expects, ahead of it, the mean of the last two steps seen."""

    def encode(feed: Arrays) -> dict[str, NDArray[np.float32]]:
        last, state = feed["window"][:, -1:], feed["state"]
        before = np.where(np.isnan(state[:, 1:]), last, state[:, 1:])
        return {"observed": last, "new_state": np.concatenate([before, last], axis=1)}

    def ahead(feed: Arrays) -> dict[str, NDArray[np.float32]]:
        return {"expected": feed["state"].mean(axis=1, keepdims=True)}

    branch = Branch(
        name="main",
        window=1,
        graphs={"onnx": "encode.onnx"},
        state=[2, len(SIGNALS)],
        ahead={"onnx": "ahead.onnx"},
    )
    model = Model({"main": By(("window", "state"), encode)}, {"main": By(("state",), ahead)})
    return branch, model


def scorer() -> Scorer:
    branch, model = remembering()
    return Scorer(spec([branch], REDUCE), model)


def windows(seed: int, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1, len(SIGNALS))).astype(np.float32), rng.integers(
        0, len(DEVICES), n
    )


def naive(window: NDArray[np.float32]) -> list[float]:
    """One device's scores by the definition of `remembering`."""
    steps, out = window[:, 0].astype(np.float64), []
    for t in range(len(steps)):
        seen = steps[max(0, t - 2) : t] if t else steps[:1]
        seen = np.stack([seen[0], seen[-1]])
        out.append(float(((steps[t] - seen.mean(axis=0)) ** 2).mean()))
    return out


def test_what_is_expected_is_told_before_the_window_comes() -> None:
    window, device = windows(0, 40)
    got = scorer().score(window, device, np.arange(40)).score
    for d in range(len(DEVICES)):
        np.testing.assert_allclose(got[device == d], naive(window[device == d]), rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 16])
@pytest.mark.parametrize("eager", [False, True], ids=["lazily", "prepared"])
def test_batches_of_any_size_score_alike(size: int, eager: bool) -> None:  # noqa: FBT001 - a parameter
    window, device = windows(1, 60)
    whole = scorer().score(window, device, np.arange(60)).score
    streaming, parts = scorer(), []
    for start in range(0, 60, size):
        rows = slice(start, start + size)
        parts.append(streaming.score(window[rows], device[rows], np.arange(60)[rows]).score)
        if eager:
            streaming.prepare()
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)


def test_a_restored_scorer_goes_on_as_if_nothing_had_happened() -> None:
    window, device = windows(2, 40)
    slot = np.arange(40)
    first = scorer()
    first.score(window[:20], device[:20], slot[:20])
    second = scorer()
    second.restore(first.snapshot())
    first.prepare()
    want = first.score(window[20:], device[20:], slot[20:]).score
    got = second.score(window[20:], device[20:], slot[20:]).score
    np.testing.assert_array_equal(got, want)


def test_a_state_of_another_model_is_refused_and_changes_nothing() -> None:
    window, device = windows(3, 20)
    used = scorer()
    used.score(window, device, np.arange(20))
    before = used.snapshot()
    for wrong, complaint in (
        ({}, "running values none do not fit"),
        (before | {"more": np.zeros(1)}, "do not fit this model"),
        ({"main.state": np.zeros((2, 3, 2), np.float32)}, "'main.state' does not fit"),
        ({"main.state": np.zeros((2, 2, 2))}, "'main.state' does not fit"),
        ({"main.state": [1.0]}, "'main.state' does not fit"),
    ):
        with pytest.raises(StateError, match=complaint):
            used.restore(wrong)
    assert all(np.array_equal(used.snapshot()[k], v, equal_nan=True) for k, v in before.items())


def test_behind_a_gap_a_device_begins_anew_and_the_other_goes_on() -> None:
    window, device = windows(4, 30)
    fresh = np.zeros(30, np.bool_)
    cut = int(np.flatnonzero(device == 0)[6])
    fresh[cut] = True
    got = scorer().score(window, device, np.arange(30), fresh).score
    one = window[device == 0]
    np.testing.assert_allclose(got[device == 0], naive(one[:6]) + naive(one[6:]), rtol=1e-5)
    np.testing.assert_allclose(got[device == 1], naive(window[device == 1]), rtol=1e-5)


def test_tracks_of_all_branches_stand_side_by_side() -> None:
    def shifted(by: float) -> Graph:
        return By(
            ("window",),
            lambda feed: {
                "observed": feed["window"][:, -1:],
                "expected": feed["window"][:, -1:] - np.float32(by),
            },
        )

    branches = [
        Branch(name=name, window=w, graphs={"onnx": f"{name}.onnx"}, recipe=REDUCE)
        for name, w in (("short", 1), ("long", 3))
    ]
    model = Model({"short": shifted(1), "long": shifted(3)})
    window = np.zeros((5, 3, 2), np.float32)
    nought = np.zeros(5, np.int64)
    voting = spec(branches, [Stage(stage="combine", how="votes", votes=2)])
    assert Scorer(voting, model).score(window, nought, nought).score.tolist() == [1] * 5
    scale = np.array([[1.0, 9.0]] * 2)
    scaled = spec(branches, [Stage(stage="combine", scaled=True)], **{"0.combine.scale": scale})
    got = Scorer(scaled, model).score(window, nought, nought).score
    np.testing.assert_allclose(got, np.log(2), rtol=1e-6)


def test_without_a_graph_the_window_itself_is_observed_in_scaled_units() -> None:
    branch = Branch(name="main", window=2)
    plain = spec([branch], REDUCE)
    constants = {**plain.calibration, "scale": np.full((2, 2), 2.0), "centre": np.ones((2, 2))}
    window, nought = np.full((1, 2, 2), 7.0, np.float32), np.zeros(1, np.int64)
    got = Scorer(Spec(plain.manifest, constants), Model()).score(window, nought, nought)
    assert got.score.tolist() == [9]
    assert got.observed.tolist() == [[7, 7]]


def test_a_graph_that_asks_is_told_the_time_of_every_slot() -> None:
    told: list[NDArray[np.float32]] = []

    def look(feed: Arrays) -> dict[str, NDArray[np.float32]]:
        told.append(feed["clock"])
        return {"observed": feed["window"][:, -1:], "expected": feed["window"][:, -1:]}

    branch = Branch(name="main", window=4, graphs={"onnx": "c.onnx"})
    one = spec([branch], REDUCE)
    manifest = msgspec.structs.replace(one.manifest, period_ns=HOUR, utc_offset_minutes=60)
    watch = Scorer(Spec(manifest, one.calibration), Model({"main": By(("window", "clock"), look)}))
    # Slot 4 * 24 - 2 of hours ends on Monday, 5 January 1970, 00:00 at one hour east of UTC.
    watch.score(np.zeros((1, 4, 2), np.float32), np.zeros(1, np.int64), np.array([4 * 24 - 2]))
    (angles,) = told
    assert angles.shape == (1, 4, 4)
    np.testing.assert_allclose(angles[0, -1], [0, 1, 0, 1], atol=1e-6)
    hours = np.arctan2(angles[0, :, 0], angles[0, :, 1]) / (2 * np.pi) * 24 % 24
    np.testing.assert_allclose(hours[:3], [21, 22, 23], atol=1e-4)


def test_the_hour_of_the_week_is_that_in_which_a_slot_lies() -> None:
    monday = 4 * 24 * HOUR
    assert hour_of_week(np.array([monday, monday + 1, monday + HOUR]), 0).tolist() == [167, 0, 0]
    assert hour_of_week(np.array([monday]), 30).tolist() == [0]
    assert clock(np.array([monday]), 2, HOUR, 0).shape == (1, 2, 4)


def test_a_threshold_goes_by_the_hour_of_the_week() -> None:
    hourly = np.ones((2, 168))
    hourly[1, 5] = 7
    plain = spec([Branch(name="main", window=1)], REDUCE, **{"threshold.hour-of-week": hourly})
    rule = Threshold(rule="hour-of-week", parameter=0.99, windows=100)
    manifest = msgspec.structs.replace(plain.manifest, period_ns=HOUR, threshold=rule)
    window, monday = np.zeros((2, 1, 2), np.float32), 4 * 24
    watch = Scorer(Spec(manifest, plain.calibration), Model())
    got = watch.score(window, np.array([1, 1]), np.array([monday + 5, monday + 6]))
    assert got.threshold.tolist() == [7, 1]
    with pytest.raises(BundleError, match=r"'threshold.hour-of-week' must be an array of shape"):
        Scorer(Spec(manifest, spec([Branch(name="main", window=1)]).calibration), Model())


def test_a_threshold_follows_the_median_of_the_scores_and_is_restored() -> None:
    plain = spec([Branch(name="main", window=1)], REDUCE)
    rule = Threshold(rule="drift", parameter=0.99, windows=100, factor=3.0, minutes=8 / 60)
    drifting = Spec(msgspec.structs.replace(plain.manifest, threshold=rule), plain.calibration)
    watch = Scorer(drifting, Model())
    device, slot = np.zeros(20, np.int64), np.arange(20)
    quiet, loud = np.zeros((20, 1, 2), np.float32), np.full((20, 1, 2), 2.0, np.float32)
    assert watch.score(quiet, device, slot).threshold.tolist() == [1] * 20
    again = Scorer(drifting, Model())
    again.restore(watch.snapshot())
    for one in (watch, again):
        threshold = one.score(loud, device, slot).threshold
        assert threshold[:3].tolist() == [1, 1, 1]  # the median is still that of quiet time
        assert threshold[-1] == 12
    watch.forget(0)  # a gap does not take away what the level has been
    assert watch.score(loud[:1], device[:1], slot[:1]).threshold.tolist() == [12]


LYING = [
    (Branch(name="main", window=1, graphs={"onnx": "g"}, heads=True), "does not take 'device'"),
    (Branch(name="main", window=1, graphs={"onnx": "g"}, state=[2]), "does not take 'state'"),
    (Branch(name="main", window=1), "not loaded, or the reverse"),
]


@pytest.mark.parametrize(("branch", "complaint"), LYING, ids=range(3))
def test_a_graph_must_take_what_the_manifest_says(branch: Branch, complaint: str) -> None:
    graph = By(("window",), lambda feed: {"observed": feed["window"], "expected": feed["window"]})
    with pytest.raises(BundleError, match=complaint):
        Scorer(spec([branch], REDUCE), Model({"main": graph}))


def test_a_graph_must_take_nothing_that_no_agent_has() -> None:
    branch = Branch(name="main", window=1, graphs={"onnx": "odd.onnx"})
    with pytest.raises(BundleError, match=r"odd\.onnx: the graph takes 'weather'"):
        Scorer(spec([branch], REDUCE), Model({"main": By(("window", "weather"), dict)}))


SHAPES = {"1.standardise.mean": np.zeros((2, 1, 2)), "1.standardise.deviation": np.ones((2, 1, 2))}
STANDARD = [Stage(stage="residual"), Stage(stage="standardise")]


@pytest.mark.parametrize(
    ("recipe", "constants", "complaint"),
    [
        (STANDARD, SHAPES | {"1.standardise.mean": np.zeros((2, 2))}, r"has shape \(2, 2\), not"),
        (STANDARD, SHAPES | {"1.standardise.mean": np.full((2, 1, 2), np.nan)}, "finite numbers"),
        (STANDARD, SHAPES | {"1.standardise.deviation": np.zeros((2, 1, 2))}, "not positive"),
        ([Stage(stage="smooth", minutes=1)], {"0.smooth.scale": np.zeros((2, 1, 2))}, "positive"),
        ([*STANDARD, Stage(stage="blame")], SHAPES, "needs 'minutes'"),
        ([Stage(stage="reduce", how="magic")], {}, "no 'magic'; there are groups, largest"),
        ([Stage(stage="reduce", largest=3)], {}, "the 3 largest of 2 signals"),
        ([Stage(stage="reduce", how="groups")], {}, "needs 'groups'"),
        ([Stage(stage="reduce", how="groups", groups=[["flow"]])], {}, "no group for 'temp'"),
        ([Stage(stage="reduce", how="groups", groups=[["x"]])], {}, "'x', which is no signal"),
        ([Stage(stage="combine", how="magic")], {}, "no 'magic'; there are geometric, log1p"),
        ([Stage(stage="combine", how="votes")], {}, "needs 'votes'"),
        ([Stage(stage="residual", span="tail")], {}, "needs 'steps'"),
        ([Stage(stage="residual")], {}, "it ends in tracks"),
        ([Stage(stage="combine")], {}, "its stages do not fit each other"),
    ],
    ids=range(15),
)
def test_a_recipe_that_cannot_be_run_is_refused(
    recipe: list[Stage], constants: dict[str, Any], complaint: str
) -> None:
    plain = spec([Branch(name="main", window=1)], recipe, **constants)
    nought = np.zeros(1, np.int64)
    with pytest.raises(BundleError, match=complaint):
        Scorer(plain, Model()).score(np.zeros((1, 1, 2), np.float32), nought, nought)


def test_branches_that_end_differently_do_not_go_together() -> None:
    branches = [Branch(name="a", window=1, recipe=REDUCE), Branch(name="b", window=1)]
    nought = np.zeros(1, np.int64)
    with pytest.raises(BundleError, match="end in tracks of different shapes"):
        Scorer(spec(branches, [Stage(stage="combine")]), Model()).score(
            np.zeros((1, 1, 2), np.float32), nought, nought
        )


@pytest.mark.parametrize(
    ("recipe", "want"),
    [
        (
            [
                Stage(stage="residual", span="whole"),
                Stage(stage="reduce", how="mean-square", pool=True),
            ],
            7.5,
        ),
        (
            [
                Stage(stage="residual", span="tail", steps=2),
                Stage(stage="reduce", how="mean-square", pool=True),
            ],
            12.5,
        ),
        (
            [
                Stage(stage="residual", span="whole"),
                Stage(stage="reduce", how="groups", groups=[["flow"], ["temp"]], pool=True),
            ],
            15.0,
        ),
    ],
    ids=["whole", "tail", "groups"],
)
def test_a_whole_window_is_pooled_into_one_track(recipe: list[Stage], want: float) -> None:
    window = np.zeros((1, 4, 2), np.float32)
    window[0, :, 0] = [1, 3, 5, 5]
    nought = np.zeros(1, np.int64)
    got = Scorer(spec([Branch(name="main", window=4)], recipe), Model()).score(
        window, nought, nought
    )
    assert got.score.tolist() == [want]
    assert got.deviation.argmax(axis=1).tolist() == [0]


BLAME = [
    Stage(stage="residual"),
    Stage(stage="whiten", with_raw=True),
    Stage(stage="standardise"),
    Stage(stage="blame", minutes=0.05),
    Stage(stage="reduce", largest=1),
    Stage(stage="combine"),
]
CHANGES = {
    "1.whiten.phi": np.full((2, 2), 0.9, np.float32),
    "2.standardise.mean": np.zeros((2, 2, 2), np.float32),
    "2.standardise.deviation": np.ones((2, 2, 2), np.float32),
}


def blamed(scorer: Scorer, rows: list[list[float]], start: int = 0) -> list[int]:
    values = np.array(rows, np.float32)[:, np.newaxis]
    slot = start + np.arange(len(rows))
    found = scorer.score(values, np.zeros(len(rows), np.int64), slot)
    return [int(worst) for worst in found.deviation.argmax(axis=1)]


def test_what_changed_is_blamed_and_not_what_has_long_been_off() -> None:
    # flow has stood far off for long; temp leaves its level by less, in the last windows.
    scorer = Scorer(spec([Branch(name="main", window=1)], BLAME, **CHANGES), Model())
    rows = [[9.0, 0.0]] * 60 + [[9.0, 4.0]] * 3
    assert blamed(scorer, rows) == [0] * 60 + [1] * 3
    plain = [stage for stage in BLAME if stage.stage != "blame"]
    older = Scorer(spec([Branch(name="main", window=1)], plain, **CHANGES), Model())
    assert blamed(older, rows) == [0] * 63  # a bundle made before the stage reads as it did


def test_blame_goes_on_from_a_snapshot_and_begins_anew_behind_a_gap() -> None:
    built = spec([Branch(name="main", window=1)], BLAME, **CHANGES)
    scorer, again = Scorer(built, Model()), Scorer(built, Model())
    blamed(scorer, [[0.0, 0.0], [0.0, 4.0]])
    again.restore(scorer.snapshot())
    assert blamed(again, [[0.5, 4.0]], start=2) == [1]
    again.forget(0)
    assert blamed(again, [[5.0, 4.0]], start=9) == [0]


def test_a_geometric_mean_has_the_scale_of_its_scores_and_the_order_of_their_logarithms() -> None:
    branches = [Branch(name=name, window=1, recipe=REDUCE) for name in ("a", "b")]
    windows = np.array([[[1.0, 1.0]], [[2.0, 2.0]], [[3.0, 3.0]]], np.float32)
    nought, slots = np.zeros(3, np.int64), np.arange(3)

    def scores(how: str, scale: list[float]) -> NDArray[np.float32]:
        constants = {"0.combine.scale": np.array([scale] * 2, np.float32)}
        combine = [Stage(stage="combine", how=how, scaled=True)]
        scorer = Scorer(spec(branches, combine, **constants), Model())
        return scorer.score(windows, nought, slots).score

    alone = Scorer(spec(branches[:1]), Model())
    with pytest.raises(BundleError):  # without a recipe of the whole two tracks are no score
        Scorer(spec(branches), Model()).score(windows, nought, slots)
    one = alone.score(windows, nought, slots).score
    np.testing.assert_allclose(scores("geometric", [2.0, 2.0]), one / 2, rtol=1e-5)
    mixed = scores("geometric", [1.0, 4.0])
    np.testing.assert_allclose(mixed, np.expm1(scores("log1p", [1.0, 4.0])), rtol=1e-5)
    assert (one / 4 < mixed).all()
    assert (mixed < one).all()
