"""python guarded_dtw.py START STOP STEP CHANNELS [SHORT]: every size in guarded memory.

What test_dtw_bounds.py runs: a kernel that leaves a buffer kills the process.
"""

import sys
from functools import partial
from typing import Any

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

BATCH = 39  # blocks of two registers of lanes, and those of one that overlap them


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
    """Kernels as their callers call them, but in memory from `allocate`."""
    batch, pair = dtw_batch(x, y, radius), dtw(x[0], y[0], radius)
    traced = dtw_path(x[0], y[0], radius)[0]
    (_, n, channels), m = x.shape, y.shape[1]
    dtype, radius = x.dtype, min(radius, max(n, m) - 1)

    a, b, out = on_the_edge(x), on_the_edge(y), on_the_edge(np.zeros_like(batch))
    if channels == 1:
        scratch = allocate(dtw_batches._size(a, m), dtype)
        dtw_batches._blocks(a, b, n, m, radius, scratch, out)
    else:
        scratch = allocate(dtw_channels._size(a, m, channels, radius), dtype)
        dtw_channels._blocks(a, b, n, m, channels, radius, scratch, out)
    assert out.tolist() == batch.tolist()

    a, b = on_the_edge(x[0]), on_the_edge(y[0])
    if channels == 1:
        scratch = allocate(dtw_pair._size(a, n, m, radius), dtype)
        assert dtw_pair._meet(a, b, n, m, radius, scratch) == pair
    else:
        scratch = allocate(dtw_pair._size_of_channels(a, n, m, channels, radius), dtype)
        assert dtw_pair._meet_channels(a, b, n, m, radius, scratch) == pair

    numbers, octets = dtw_paths._size(a, n, m, channels, radius)
    scratch, bits = allocate(numbers, dtype), allocate(octets, np.uint8)
    path = on_the_edge(np.zeros(2 * (n + m), np.intp)).reshape(-1, 2)
    profile = on_the_edge(np.zeros(n, dtype))
    trace = dtw_paths._trace if channels == 1 else dtw_paths._trace_channels
    assert trace(a, b, n, m, radius, scratch, bits, path, profile)[0] == traced


def on_the_edge(array: NDArray[Any]) -> NDArray[Any]:
    """A flat copy that ends where memory ends."""
    copy = guarded(array.size, array.dtype)
    copy[:] = array.reshape(-1)
    return copy


if __name__ == "__main__":
    start, stop, step, channels, short = map(int, sys.argv[1:])
    main(range(start, stop, step), channels, short)
