from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edge_export.calibration.isolation import (
    as_arrays,
    flatten,
    from_arrays,
    grow,
    rounded_down,
    to_onnx,
)
from edge_kernels import forest_scores

RNG = np.random.default_rng(0)
TRAINING = RNG.normal(size=(3000, 7)).astype(np.float32)
FRESH = (RNG.normal(size=(20_000, 7)) * RNG.choice([0.5, 1, 2], (20_000, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def grown() -> Any:
    return grow(TRAINING, trees=200, seed=1, contamination=0.01)


def session(content: bytes) -> ort.InferenceSession:
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_arrays_and_graph_answer_as_scikit_learn_on_20000_rows(grown: Any) -> None:
    flat = flatten(grown)
    want = grown.decision_function(FRESH)
    arrays = forest_scores(flat, FRESH) - grown.offset_
    (graph,) = session(to_onnx(flat, grown.offset_)).run(["score"], {"rows": FRESH})
    assert np.abs(arrays - want).max() < 1e-8
    assert np.abs(graph - want).max() < 1e-6
    labels = grown.predict(FRESH) < 0
    assert 0 < labels.mean() < 1
    assert np.count_nonzero((arrays < 0) != labels) == 0
    assert np.count_nonzero((graph < 0) != labels) == 0


def test_readings_on_a_threshold_take_the_branch_that_scikit_learn_takes(grown: Any) -> None:
    flat = flatten(grown)
    cuts = flat.threshold[np.isfinite(flat.threshold)][:500]
    rows = np.repeat(TRAINING[:1], cuts.size * 2, axis=0)
    column = flat.feature[np.isfinite(flat.threshold)][:500]
    rows[np.arange(cuts.size), column] = cuts
    rows[np.arange(cuts.size, 2 * cuts.size), column] = np.nextafter(cuts, np.float32(np.inf))
    want = grown.score_samples(rows)
    np.testing.assert_allclose(forest_scores(flat, rows), want, atol=1e-8)
    (graph,) = session(to_onnx(flat)).run(["score"], {"rows": rows})
    np.testing.assert_allclose(graph, want + 0.5, atol=1e-6)


def test_the_graph_is_one_tree_ensemble_that_older_runtimes_load(grown: Any) -> None:
    model = onnx.load_from_string(to_onnx(flatten(grown)))
    assert model.ir_version == 10
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == 20
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("TreeEnsembleRegressor") == 1
    assert len(kinds) <= 6


def test_several_forests_in_one_set_of_arrays_are_those_forests() -> None:
    forests = [flatten(grow(TRAINING + shift, trees=5, seed=shift)) for shift in range(3)]
    stored = as_arrays(forests)
    assert all(np.isfinite(value).all() for value in stored.values())
    again = from_arrays(stored | {"columns": np.array([7])})
    for forest, same in zip(forests, again, strict=True):
        want = forest_scores(forest, FRESH[:100])
        assert forest_scores(same, FRESH[:100]).tobytes() == want.tobytes()
        (graph,) = session(to_onnx(same)).run(["score"], {"rows": FRESH[:100]})
        np.testing.assert_allclose(graph, want + 0.5, atol=1e-6)
        assert len(to_onnx(same)) == len(to_onnx(forest))  # the others' trees are left out


def test_thresholds_are_rounded_down_never_up() -> None:
    exact = RNG.normal(size=1000)
    down = rounded_down(exact)
    assert (down <= exact).all()
    assert (np.nextafter(down, np.float32(np.inf)) > exact).all()


def test_a_forest_over_one_feature_is_scikit_learns_too() -> None:
    one = grow(TRAINING[:, :1], trees=20, seed=0)
    got = forest_scores(flatten(one), FRESH[:500, :1])
    np.testing.assert_allclose(got, one.score_samples(FRESH[:500, :1]), atol=1e-8)


def test_a_forest_of_a_single_row_is_refused() -> None:
    with pytest.raises(ValueError, match="single row"):
        to_onnx(flatten(grow(TRAINING[:1], trees=2, seed=0)))
