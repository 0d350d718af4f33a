"""Every kernel compiled, or loaded from the cache, before it is needed.

Kernels compile when they first meet a combination of argument types. Each function here
calls one public function with every combination that it can meet.
"""

from collections.abc import Callable

import numpy as np

from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_pair import dtw
from edge_kernels.dtw_paths import dtw_path
from edge_kernels.features import span_features
from edge_kernels.forest import Forest, forest_scores
from edge_kernels.grid import LAST, MEAN, Readings, new_due, new_grid, roomy
from edge_kernels.lines import strongest_lines
from edge_kernels.medians import new_medians, rolling_median
from edge_kernels.placing import expire, forget_device, ingest
from edge_kernels.profile import against_profile
from edge_kernels.reductions import largest_group, mahalanobis, mean_of_largest, mean_square
from edge_kernels.stages import recent_energy, smooth, standardise, whiten

__all__ = ["warm"]


def warm(*names: str) -> None:
    """Compile what is not in the cache yet: tens of seconds for all; load the rest: one.

    Call it when an image is built, and before reporting ready.

    Args:
        names: Keys of `WARMERS`; none means all.

    Raises:
        KeyError: There is no such group of kernels.
    """
    for name in names or WARMERS:
        WARMERS[name]()


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


def _grid() -> None:
    _moved(LAST)


def _means() -> None:
    _moved(MEAN)


def _moved(how: int) -> None:
    """Move on a grid whose slots are of this kind: those that keep readings are another type."""
    one = np.ones(1, np.int64)
    grid = roomy(
        new_grid(
            np.zeros((1, 1), np.float32),
            window=1,
            period=1,
            lateness=one,
            max_gap=one,
            how=np.full(1, how, np.uint8),
        ),
        1,
    )
    due = new_due(grid, 1)
    readings = Readings(one - 1, one - 1, one, np.ones(1, np.float32))
    ingest(grid, readings, np.zeros(1, np.uint8), due, start=0, arrived=1, max_future=1)
    expire(grid, due, now=2)
    forget_device(grid, 0)


def _stages() -> None:
    device = np.zeros(1, np.int64)
    row = np.ones((1, 1), np.float32)
    whiten(row, device, row, row.copy())
    standardise(row[np.newaxis], device, row[np.newaxis], row[np.newaxis])
    recent_energy(row, device, 0.5, row.copy())
    mean_of_largest(row[np.newaxis], 1)
    against_profile(
        row[np.newaxis], device, device[:, np.newaxis], row[np.newaxis], row[np.newaxis]
    )
    pair = np.ones((1, 2, 1), np.float32)
    span_features(pair, pair, np.full(1, 2), 1e-4)
    mean_square(row[np.newaxis])
    strongest_lines(row[np.newaxis], device, row[np.newaxis], row[np.newaxis], first=0, k=1)
    largest_group(row[np.newaxis], device)
    mahalanobis(row[np.newaxis], device, row[np.newaxis], row[np.newaxis, np.newaxis])
    rolling_median(row[0], device, new_medians(1, 1), fewest=1)
    smooth(row, device, np.ones((1, 1, 2), np.float32), 0.5, row.copy())


WARMERS: dict[str, Callable[[], None]] = {
    "distances": _distances,
    "forest": _forest,
    "grid": _grid,
    "means": _means,
    "stages": _stages,
}
