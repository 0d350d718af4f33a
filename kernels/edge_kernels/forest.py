"""Isolation Forest scores from flat arrays.

Liu, Ting and Zhou, "Isolation Forest", ICDM 2008: a reading that random cuts separate
from the rest after few of them is unlike the rest.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Forest", "forest_scores"]

GROUP = 16  # trees that a row descends together, so that none waits for its own loads


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees of an Isolation Forest, one behind the other; checked when built.

    Node i sends a row right where row[feature[i]] > threshold[i]: it goes on at node
    child[i] + 1, else at child[i]. Siblings are neighbours, the left one first. A leaf
    has child[i] = i and threshold[i] = inf: a row that has arrived stays.

    Raises:
        ValueError: The arrays differ in length, or point outside each other.
    """

    feature: NDArray[np.int32]
    """Column that node i looks at, shape (nodes,); 0 at a leaf."""
    threshold: NDArray[np.float32]
    """Where node i cuts. A float64 threshold must have been rounded *down*: then no
    float32 reading can tell the difference."""
    child: NDArray[np.int32]
    """Left child of node i, counted over all trees; i at a leaf."""
    length: NDArray[np.float64]
    """At leaf i the cuts above it plus c(training rows in it), c as in eq. 1."""
    root: NDArray[np.int32]
    """First node of each tree, shape (trees,)."""
    depth: NDArray[np.int32]
    """Cuts above the deepest leaf of each tree, shape (trees,)."""
    features: int
    """Columns of a row."""
    normal_length: float
    """c(training rows of a tree): the mean length that makes a score of -0.5."""

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            array = np.asarray(getattr(self, name), dtype)
            if array.ndim != 1 or not array.flags.carray:
                array = np.array(array, order="C").reshape(-1)
            object.__setattr__(self, name, array)
        nodes = self.feature.size
        if not nodes == self.threshold.size == self.child.size == self.length.size:
            raise ValueError("feature, threshold, child and length must be of one length")
        if not 1 <= self.root.size == self.depth.size:
            raise ValueError("root and depth must be of one length, at least 1")
        leaf = self.child == np.arange(nodes)
        if not (
            _within(self.feature, self.features)
            and _within(self.root, nodes)
            and _within(self.child[leaf], nodes)
            and _within(self.child[~leaf], nodes - 1)
            and np.isposinf(self.threshold[leaf]).all()
        ):
            raise ValueError("feature, child and root must point at columns and nodes")


_DTYPES = {
    "feature": np.int32,
    "threshold": np.float32,
    "child": np.int32,
    "length": np.float64,
    "root": np.int32,
    "depth": np.int32,
}


def _within(indices: NDArray[np.int32], end: int) -> bool:
    return bool(((indices >= 0) & (indices < end)).all())


def forest_scores(forest: Forest, X: ArrayLike) -> NDArray[np.float64]:
    """Isolation Forest score of each row of X, as scikit-learn's `score_samples`.

    Args:
        forest: The trees.
        X: Rows, shape (B, features); converted to float32, in which the trees compare.

    Returns:
        Scores, shape (B,), in [-1, 0): eq. 2 of the paper, negated, so that lower is
        more abnormal. NaN for a row that holds a NaN.

    Raises:
        ValueError: X is not two-dimensional with as many columns as the forest knows.
    """
    X = np.asarray(X, np.float32)
    if X.ndim != 2 or X.shape[1] != forest.features:
        raise ValueError(f"X must be (B, {forest.features}), got {X.shape}")
    if not X.flags.carray:
        X = np.array(X, order="C")
    total = np.empty(len(X))
    _total_lengths(
        forest.feature,
        forest.threshold,
        forest.child,
        forest.length,
        forest.root,
        forest.depth,
        X,
        total,
    )
    if forest.normal_length == 0:  # grown on a single row: everything is normal
        return np.where(np.isnan(total), np.nan, -0.5)
    scores: NDArray[np.float64] = -(2 ** (-total / (forest.root.size * forest.normal_length)))
    return scores


@numba.njit(cache=True, nogil=True)
def _total_lengths(
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    child: NDArray[np.int32],
    length: NDArray[np.float64],
    root: NDArray[np.int32],
    depth: NDArray[np.int32],
    X: NDArray[np.float32],
    total: NDArray[np.float64],
) -> None:
    """Path lengths of each row, summed over the trees in their order."""
    node = np.empty(GROUP, np.uint32)  # unsigned: no index counts from the end
    for b in range(X.shape[0]):
        row = X[b]
        total[b] = 0
        for first in range(0, root.size, GROUP):
            trees = min(GROUP, root.size - first)
            cuts = 0
            for t in range(trees):
                node[t] = root[first + t]
                cuts = max(cuts, depth[first + t])
            for _ in range(cuts):
                for t in range(trees):
                    i = node[t]
                    node[t] = child[i] + (row[np.uint32(feature[i])] > threshold[i])
            for t in range(trees):
                total[b] += length[node[t]]
        for value in row:
            if np.isnan(value):
                total[b] = np.nan
