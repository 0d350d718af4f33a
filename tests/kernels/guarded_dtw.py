"""python guarded_dtw.py START STOP STEP CHANNELS [SHORT]: every size in guarded memory.

What test_dtw_bounds.py runs: a kernel that leaves a buffer kills the process.
"""

import sys
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from guard_pages import guarded
from numpy.typing import NDArray

from edge_kernels import (
    band_radius,
    dtw,
    dtw_batch,
    dtw_batches,
    dtw_channels,
    dtw_pair,
    dtw_path,
    dtw_paths,
)

BATCH = 17  # a block of lanes, and one that overlaps it


def main(sizes: range, channels: int, short: int) -> None:
    """Each size with the usual band, a full one, none, and y a little shorter."""
    for n in sizes:
        for dtype in (np.float32, np.float64):
            for m, radius in (
                (n, band_radius(n, 0.1)),
                (n, n - 1),
                (max(1, n - 2), 2),
                (n, 0),
            ):
                random = np.random.default_rng(n)
                x = random.normal(size=(BATCH, n, channels)).astype(dtype)
                y = random.normal(size=(BATCH, m, channels)).astype(dtype)
                compare(x, y, radius, partial(guarded, short=short))


def compare(x: NDArray[Any], y: NDArray[Any], radius: int, allocate: Any) -> None:
    batch, path = dtw_batch(x, y, radius), dtw_path(x[0], y[0], radius)[0]
    pair = dtw(x[0], y[0], radius)
    with (
        patch.object(dtw_batches, "aligned", allocate),
        patch.object(dtw_channels, "aligned", allocate),
        patch.object(dtw_paths, "aligned", allocate),
    ):
        x, y = on_the_edge(x), on_the_edge(y)
        assert dtw_batch(x, y, radius).tolist() == batch.tolist()
        x, y = on_the_edge(x[0]), on_the_edge(y[0])
        assert dtw_path(x, y, radius)[0] == path
        assert pair_in(allocate, x, y, radius) == pair


def on_the_edge(array: NDArray[Any]) -> NDArray[Any]:
    copy = guarded(array.size, array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


def pair_in(allocate: Any, x: NDArray[Any], y: NDArray[Any], radius: int) -> float:
    """As dtw_pair._pair, which allocates for itself."""
    n, m = len(x), len(y)
    x, y = x.reshape(-1), y.reshape(-1)
    radius = min(radius, max(n, m) - 1)
    *layout, size = dtw_pair._layout(x, n, m, x.size // n, radius)
    return float(dtw_pair._meet(x, y, n, m, radius, *layout, allocate(size, x.dtype)))


if __name__ == "__main__":
    start, stop, step, channels, short = map(int, sys.argv[1:])
    main(range(start, stop, step), channels, short)
