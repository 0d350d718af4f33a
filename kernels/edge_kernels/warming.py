"""Every kernel compiled, or loaded from the cache, before it is needed.

Kernels compile when they first meet a combination of argument types. Each function here
calls one public function with every combination that it can meet.
"""

from collections.abc import Callable

import numpy as np

from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_pair import dtw
from edge_kernels.dtw_paths import dtw_path
from edge_kernels.forest import Forest, forest_scores

__all__ = ["warm"]


def warm() -> None:
    """Compile what is not in the cache yet: tens of seconds; load the rest: one.

    Call it when an image is built, and before reporting ready.
    """
    for kernels in WARMERS:
        kernels()


def _distances() -> None:
    for dtype in (np.float32, np.float64):
        for shape in ((1, 8), (1, 8, 2)):
            x = np.zeros(shape, dtype)
            dtw_batch(x, x, 2)
            dtw(x[0], x[0], 2)
            dtw_path(x[0], x[0], 2)


def _forest() -> None:
    leaf = Forest(
        feature=np.zeros(1, np.int32),
        threshold=np.full(1, np.inf, np.float32),
        child=np.zeros(1, np.int32),
        length=np.zeros(1),
        root=np.zeros(1, np.int32),
        depth=np.zeros(1, np.int32),
        features=1,
        normal_length=1.0,
    )
    forest_scores(leaf, np.zeros((1, 1), np.float32))


WARMERS: tuple[Callable[[], None], ...] = (_distances, _forest)
