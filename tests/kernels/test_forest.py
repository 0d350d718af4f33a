import dataclasses
from typing import Any

import naive
import numpy as np
import pytest
from forests import as_flat, rounded_down
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge_kernels import Forest, forest_scores

sklearn_ensemble = pytest.importorskip("sklearn.ensemble", reason="grows the forests")


def readings(rows: int, columns: int = 5) -> NDArray[np.float32]:
    random = np.random.default_rng(rows)
    return random.normal(size=(rows, columns)).astype(np.float32)


def grown(rows: NDArray[np.float32], **settings: Any) -> Any:
    settings = {"n_estimators": 50, "random_state": 0} | settings
    return sklearn_ensemble.IsolationForest(**settings).fit(rows)


@pytest.fixture(scope="module")
def model() -> Any:
    return grown(readings(2_000))


@pytest.fixture(scope="module")
def flat(model: Any) -> Forest:
    return as_flat(model)


def test_scores_and_labels_are_those_of_scikit_learn(model: Any, flat: Forest) -> None:
    rows = 2 * readings(20_000)
    want = model.score_samples(rows)
    got = forest_scores(flat, rows)
    np.testing.assert_allclose(got, want, rtol=1e-13)
    assert ((got < model.offset_) == (want < model.offset_)).all()


def test_a_reading_on_a_threshold_goes_where_scikit_learn_sends_it(
    model: Any, flat: Forest
) -> None:
    cuts = flat.threshold[np.isfinite(flat.threshold)]
    cuts = np.concatenate([cuts, np.nextafter(cuts, np.float32(9)), np.nextafter(cuts, -9)])
    rows = np.repeat(cuts[:, None], 5, axis=1).astype(np.float32)
    np.testing.assert_allclose(forest_scores(flat, rows), model.score_samples(rows), rtol=1e-13)


@given(arrays(np.float64, 8, elements=st.floats(-1e30, 1e30)))
def test_a_threshold_is_rounded_down(thresholds: NDArray[np.float64]) -> None:
    rounded = rounded_down(thresholds)
    assert (rounded <= thresholds).all()
    assert (np.nextafter(rounded, np.float32(np.inf)) > thresholds).all()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"n_estimators": 1}, id="one tree"),
        pytest.param({"n_estimators": 17}, id="one more than descend together"),
        pytest.param({"max_samples": 2}, id="stumps"),
        pytest.param({"max_features": 0.4}, id="a few columns a tree"),
    ],
)
def test_every_kind_of_forest_scores_like_scikit_learn(
    settings: dict[str, Any],
) -> None:
    rows = readings(300)
    model = grown(rows, **settings)
    got = forest_scores(as_flat(model), rows)
    np.testing.assert_allclose(got, model.score_samples(rows), rtol=1e-13)


def test_agrees_with_the_definition(model: Any, flat: Forest) -> None:
    trees = [
        {
            "left": tree.tree_.children_left.tolist(),
            "right": tree.tree_.children_right.tolist(),
            "feature": tree.tree_.feature.tolist(),
            "threshold": tree.tree_.threshold.tolist(),
            "rows": tree.tree_.n_node_samples.tolist(),
        }
        for tree in model.estimators_
    ]
    rows = 3 * readings(40)
    want = [naive.isolation_score(trees, row, model.max_samples_) for row in rows]
    np.testing.assert_allclose(forest_scores(flat, rows), want, rtol=1e-9)


def test_a_row_does_not_depend_on_the_rows_around_it(flat: Forest) -> None:
    rows = readings(40)
    one_by_one = [forest_scores(flat, row[None])[0] for row in rows]
    assert forest_scores(flat, rows).tolist() == one_by_one


def test_a_nan_makes_its_row_nan_and_no_other(flat: Forest) -> None:
    rows = readings(20)
    rows[7, 4] = np.nan
    assert np.flatnonzero(np.isnan(forest_scores(flat, rows))).tolist() == [7]


def test_takes_float64_views_and_read_only_rows(flat: Forest) -> None:
    rows = readings(20)
    want = forest_scores(flat, rows).tolist()
    frozen = rows.copy()
    frozen.flags.writeable = False
    assert forest_scores(flat, rows.astype(np.float64)).tolist() == want
    assert forest_scores(flat, np.asfortranarray(rows)).tolist() == want
    assert forest_scores(flat, frozen).tolist() == want
    assert forest_scores(flat, rows[:0]).tolist() == []


@pytest.mark.parametrize("shape", [(5,), (3, 4), (3, 6), (2, 3, 5)])
def test_rows_that_do_not_fit_are_refused(flat: Forest, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="X must be"):
        forest_scores(flat, np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"feature": [5]}, id="a column that rows do not have"),
        pytest.param({"feature": [-1]}, id="a column before the first"),
        pytest.param({"child": [1]}, id="a child that is no node"),
        pytest.param({"child": [-1]}, id="a child before the first"),
        pytest.param({"threshold": [0.5]}, id="a leaf that lets rows go on"),
        pytest.param({"root": [1]}, id="a root that is no node"),
        pytest.param({"root": [], "depth": []}, id="no tree"),
        pytest.param({"depth": [1, 1]}, id="more depths than trees"),
        pytest.param({"length": [1.0, 1.0]}, id="more lengths than nodes"),
    ],
)
def test_a_forest_that_would_read_elsewhere_cannot_be_built(
    changes: dict[str, Any],
) -> None:
    leaf = Forest(
        feature=np.array([0], np.int32),
        threshold=np.array([np.inf], np.float32),
        child=np.array([0], np.int32),
        length=np.array([1.0]),
        root=np.array([0], np.int32),
        depth=np.array([0], np.int32),
        features=5,
        normal_length=1.0,
    )
    with pytest.raises(ValueError, match="must"):
        dataclasses.replace(leaf, **changes)
