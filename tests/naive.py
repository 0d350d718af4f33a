"""What the kernels compute, by definition: slow, obvious and never optimised."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["dtw", "dtw_matrix", "isolation_score"]


# --- elastic distances and forests --------------------------------------------------


def dtw_matrix(
    x: NDArray[np.floating], y: NDArray[np.floating], radius: int
) -> NDArray[np.float64]:
    """Least cost of a path from (0, 0) to (i, j) in the band |i - j| <= radius."""
    x = np.reshape(x, (len(x), -1)).astype(np.float64)
    y = np.reshape(y, (len(y), -1)).astype(np.float64)
    best = np.full((len(x) + 1, len(y) + 1), np.inf)
    best[0, 0] = 0
    for i in range(len(x)):
        for j in range(len(y)):
            if abs(i - j) <= radius:
                cost = 0.0
                for difference in x[i] - y[j]:
                    cost += difference * difference
                best[i + 1, j + 1] = cost + min(
                    best[i, j], best[i, j + 1], best[i + 1, j]
                )
    return best[1:, 1:]


def dtw(x: NDArray[np.floating], y: NDArray[np.floating], radius: int) -> float:
    return float(dtw_matrix(x, y, radius)[-1, -1])


def isolation_score(
    trees: list[dict[str, list[float]]], row: NDArray[np.float32], training_rows: int
) -> float:
    """Score of one row by eq. 1 and 2 of Liu, Ting and Zhou (2008), negated.

    A tree lists, node by node, "left" and "right" children (-1 at a leaf), "feature",
    "threshold" and "rows", the training rows that came by.
    """
    total = 0.0
    for tree in trees:
        node = 0
        while tree["left"][node] >= 0:
            goes_right = (
                float(row[int(tree["feature"][node])]) > tree["threshold"][node]
            )
            node = int(tree["right" if goes_right else "left"][node])
            total += 1
        total += _unsuccessful_search(int(tree["rows"][node]))
    return -(2 ** -(total / len(trees) / _unsuccessful_search(training_rows)))


def _unsuccessful_search(n: int) -> float:
    if n <= 2:
        return float(n - 1) if n == 2 else 0.0
    return float(2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n)
