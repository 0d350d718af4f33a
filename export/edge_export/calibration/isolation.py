"""Isolation Forests: grown by scikit-learn, handed over as flat arrays and as one ONNX operator.

scikit-learn compares float32 readings with float64 thresholds. Rounded *down* to float32 a
threshold parts the same readings, so that neither the kernel nor ONNX ever takes another branch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.ensemble import IsolationForest

from edge_export.graphs.opset import IR_VERSION, OPSET
from edge_kernels import Forest

__all__ = ["as_arrays", "flatten", "from_arrays", "grow", "rounded_down", "to_onnx"]

Floats = NDArray[np.float32]
ML_OPSET = 3  # of the operators for trees; what ONNX Runtime 1.20 and later load
ROWS = 256  # of a tree: figure 5 of the paper finds no gain beyond


def grow(rows: Floats, *, trees: int, seed: int, contamination: float | None = None) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """A scikit-learn forest grown on `rows`, shape (n, features), n >= 2.

    Args:
        rows: What is usual, mostly.
        trees: How many.
        seed: Of all that is drawn.
        contamination: Share of `rows` that its own threshold is to call unusual; by default
            that threshold is the paper's, a score of -0.5.
    """
    forest = IsolationForest(
        n_estimators=trees,
        max_samples=min(ROWS, len(rows)),
        contamination="auto" if contamination is None else contamination,
        random_state=seed,
    )
    return forest.fit(rows)


def flatten(model: Any) -> Forest:  # noqa: ANN401 - scikit-learn is untyped
    """The trees of a scikit-learn IsolationForest as the kernel reads them.

    Breadth first, so that siblings are neighbours.
    """
    arrays: dict[str, list[Any]] = {
        name: [] for name in ("feature", "threshold", "child", "length", "root", "depth")
    }
    nodes = 0
    for tree, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        left, right = tree.tree_.children_left, tree.tree_.children_right
        order, child = [0], []
        for at, node in enumerate(order):  # grows while it is walked
            if left[node] < 0:
                child.append(nodes + at)
            else:
                child.append(nodes + len(order))
                order += [left[node], right[node]]
        leaf = left[order] < 0
        cuts = np.asarray(tree.tree_.compute_node_depths(), np.float64)[order] - 1
        in_leaf = _mean_length(tree.tree_.n_node_samples[order])
        thresholds = rounded_down(tree.tree_.threshold[order])
        column = np.maximum(tree.tree_.feature[order], 0)  # a leaf's is negative
        arrays["feature"].append(np.where(leaf, 0, columns[column]))
        arrays["threshold"].append(np.where(leaf, np.inf, thresholds))
        arrays["child"].append(child)
        arrays["length"].append(np.where(leaf, cuts + in_leaf, 0))
        arrays["root"].append([nodes])
        arrays["depth"].append([tree.tree_.max_depth])
        nodes += len(order)
    return Forest(
        **{name: np.concatenate(parts) for name, parts in arrays.items()},
        features=model.n_features_in_,
        normal_length=float(_mean_length(np.array([model.max_samples_]))[0]),
    )


def rounded_down(thresholds: NDArray[np.float64]) -> Floats:
    """The largest float32 numbers that do not exceed the thresholds."""
    near = thresholds.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > thresholds, below, near)


def as_arrays(forests: Sequence[Forest]) -> dict[str, NDArray[Any]]:
    """Several forests as the constants of the stage `forest`, one a track, all of as many trees.

    Leaves keep the threshold 0 here, since calibration.npz holds finite numbers alone; whoever
    reads them knows a leaf by its child, which is itself.
    """
    sizes = np.cumsum([0] + [forest.feature.size for forest in forests])
    leaf = [forest.child == np.arange(forest.child.size) for forest in forests]
    thresholds = [
        np.where(is_leaf, 0, f.threshold) for f, is_leaf in zip(forests, leaf, strict=True)
    ]
    return {
        "feature": np.concatenate([forest.feature for forest in forests]),
        "threshold": np.concatenate(thresholds).astype(np.float32),
        "child": np.concatenate([f.child + at for f, at in zip(forests, sizes, strict=False)]),
        "length": np.concatenate([forest.length for forest in forests]),
        "root": np.stack([f.root + at for f, at in zip(forests, sizes, strict=False)]),
        "depth": np.stack([forest.depth for forest in forests]),
        "normal": np.array([forest.normal_length for forest in forests]),
    }


def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> list[Forest]:
    """The forests that `as_arrays` put together, with `columns`, how many features they know."""
    child = arrays["child"]
    threshold = np.where(child == np.arange(child.size), np.inf, arrays["threshold"])
    return [
        Forest(
            feature=arrays["feature"],
            threshold=threshold.astype(np.float32),
            child=child,
            length=arrays["length"],
            root=root,
            depth=depth,
            features=int(arrays["columns"][0]),
            normal_length=float(normal),
        )
        for root, depth, normal in zip(
            arrays["root"], arrays["depth"], arrays["normal"], strict=True
        )
    ]


def to_onnx(forest: Forest, offset: float = -0.5) -> bytes:
    """The forest for other runtimes: one TreeEnsembleRegressor and a few scalars around it.

    Takes `rows` float32 (N, features); gives `score` float32 (N,), scikit-learn's
    `decision_function`: below 0 where a row is unusual.

    Args:
        forest: The trees.
        offset: scikit-learn's `offset_`.

    Raises:
        ValueError: The forest was grown on a single row.
    """
    total = helper.make_node(
        "TreeEnsembleRegressor",
        ["rows"],
        ["total"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        **_trees(forest),
    )
    if not forest.normal_length:
        raise ValueError("a forest grown on a single row has no length to compare with")
    constants: dict[str, NDArray[Any]] = {
        "per_length": np.array(-1 / (forest.root.size * forest.normal_length), np.float32),
        "two": np.array(2, np.float32),
        "offset": np.array(offset, np.float32),
        "flat": np.array([-1], np.int64),
    }
    nodes = [
        total,
        helper.make_node("Mul", ["total", "per_length"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], ["anomaly"]),
        helper.make_node("Neg", ["anomaly"], ["samples"]),
        helper.make_node("Sub", ["samples", "offset"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "isolation_forest",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", forest.features])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,  # the default is newer than what runtimes load
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _trees(forest: Forest) -> Mapping[str, Any]:
    """The operator's attributes: every node by its tree and its number there."""
    mine = _reachable(forest)
    place = np.full(forest.feature.size, -1)
    place[mine] = np.arange(mine.size)
    starts = place[forest.root]
    tree = np.searchsorted(starts, np.arange(mine.size), side="right") - 1
    number = np.arange(mine.size) - starts[tree]
    child = place[forest.child[mine]] - starts[tree]
    leaf = forest.child[mine] == mine
    ends = np.flatnonzero(leaf)
    return {
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": number.tolist(),
        "nodes_featureids": forest.feature[mine].tolist(),
        "nodes_modes": ["LEAF" if is_leaf else "BRANCH_LEQ" for is_leaf in leaf],
        "nodes_values": np.where(leaf, 0, forest.threshold[mine]).astype(np.float32).tolist(),
        "nodes_truenodeids": np.where(leaf, 0, child).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, child + 1).tolist(),
        "nodes_missing_value_tracks_true": [0] * mine.size,
        "nodes_hitrates": [1.0] * mine.size,
        "target_treeids": tree[ends].tolist(),
        "target_nodeids": number[ends].tolist(),
        "target_ids": [0] * ends.size,
        "target_weights": forest.length[mine[ends]].astype(np.float32).tolist(),
    }


def _reachable(forest: Forest) -> NDArray[np.int64]:
    """Nodes of its own trees, in their order: its arrays may hold other forests' too."""
    seen = np.zeros(forest.feature.size, np.bool_)
    level = forest.root.astype(np.int64)
    while level.size:
        seen[level] = True
        inner = level[forest.child[level] != level]
        level = np.concatenate([forest.child[inner], forest.child[inner] + 1]).astype(np.int64)
    return np.flatnonzero(seen)


def _mean_length(rows: NDArray[Any]) -> NDArray[np.float64]:
    """c(n) of eq. 1: cuts to tell one row from n - 1 others, on average."""
    rows = rows.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = 2 * (np.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows
    return np.select([rows <= 1, rows == 2], [0.0, 1.0], length)  # noqa: PLR2004 - as in eq. 1
