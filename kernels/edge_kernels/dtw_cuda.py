"""dtw_batch on a CUDA GPU, chosen by name: a block of threads a pair.

Not imported with the package: a gateway without a GPU does not pay for numba.cuda. The
threads of a block share the cells of an anti-diagonal (the head of dtw_pair explains
which cell a lane is) and wait for each other after each.
"""

from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import ArrayLike, NDArray

from edge_kernels.band import (
    check_batch,
    check_cost,
    check_pair,
    check_radius,
    mark_unusable,
)

__all__ = ["dtw_batch_cuda"]

MOST_THREADS = 256  # of a block; lanes beyond are taken in turns
WARP = 32


def dtw_batch_cuda(
    X: ArrayLike, Y: ArrayLike, radius: int, *, cost: str = "squared"
) -> NDArray[Any]:
    """DTW distance of each X[b] to Y[b], computed on the GPU; see `dtw_batch`.

    Args:
        X: Series, shape (B, n) or (B, n, d), float32 or float64, in host memory.
        Y: Series, shape (B, m) or (B, m, d).
        radius: Half-width of the band: i and j match only where |i - j| <= radius.
        cost: "squared": squared difference, summed over the d channels.

    Returns:
        Distances, shape (B,), in host memory: those of `dtw_batch` up to rounding.

    Raises:
        RuntimeError: There is no CUDA GPU, or no driver for it.
        TypeError: X or Y is neither float32 nor float64.
        ValueError: Shapes or radius do not fit; an empty input.
    """
    check_cost(cost)
    X, Y = check_pair(X, Y)
    pairs, n, m, channels = check_batch(X, Y)
    radius = check_radius(n, m, radius)
    if not cuda.is_available():
        raise RuntimeError("no CUDA GPU that numba can use: call dtw_batch instead")
    # The last three diagonals of each pair, each between two lanes of +inf.
    ring = np.full((pairs, 3, radius + 3), np.inf, X.dtype)
    ring[:, -2 % 3, 1 + (radius >> 1)] = 0  # the path starts at D[-1, -1]
    out = np.empty(pairs, X.dtype)
    threads = min(MOST_THREADS, -(-(radius + 1) // WARP) * WARP)
    _pair[pairs, threads](
        X.reshape(pairs, n, channels), Y.reshape(pairs, m, channels), radius, ring, out
    )
    mark_unusable(X, Y, out)
    return out


@cuda.jit
def _pair(
    X: NDArray[Any], Y: NDArray[Any], radius: int, ring: NDArray[Any], out: NDArray[Any]
) -> None:
    b = cuda.blockIdx.x
    n, m, channels = X.shape[1], Y.shape[1], X.shape[2]
    for k in range(n + m - 1):
        first = (k - radius + 1) >> 1
        odd = (k - radius) & 1
        for lane in range(cuda.threadIdx.x, radius + 1, cuda.blockDim.x):
            i = first + lane
            j = k - i
            best = ring.dtype.type(np.inf)
            if 0 <= i < n and 0 <= j < m and abs(i - j) <= radius:
                best = min(
                    ring[b, (k - 2) % 3, lane + 1],
                    ring[b, (k - 1) % 3, lane + odd],
                    ring[b, (k - 1) % 3, lane + odd + 1],
                )
                cost = ring.dtype.type(0)
                for c in range(channels):
                    difference = X[b, i, c] - Y[b, j, c]
                    cost += difference * difference
                best += cost
            ring[b, k % 3, lane + 1] = best
        cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        k = n + m - 2
        out[b] = ring[b, k % 3, n - ((k - radius + 1) >> 1)]
