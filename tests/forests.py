"""From a trained scikit-learn forest to the flat arrays that the kernel reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_kernels import Forest

__all__ = ["as_flat", "rounded_down"]


def as_flat(model: Any) -> Forest:
    """The same trees, breadth first, so that siblings are neighbours."""
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
        arrays["feature"].append(np.where(leaf, 0, columns[tree.tree_.feature[order]]))
        thresholds = rounded_down(tree.tree_.threshold[order])
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


def rounded_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 numbers that do not exceed the thresholds."""
    near = thresholds.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > thresholds, below, near)


def _mean_length(rows: NDArray[Any]) -> NDArray[np.float64]:
    # c(n) of eq. 1: cuts to tell one row from n - 1 others, on average.
    rows = rows.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = 2 * (np.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows
    return np.select([rows <= 1, rows == 2], [0.0, 1.0], length)
