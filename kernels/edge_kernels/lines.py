"""How far spectra are off, in two ways a channel: all of them a little, a few lines a lot."""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["strongest_lines"]

Floats = NDArray[np.float32]


def strongest_lines(
    residual: Floats,
    device: NDArray[np.int64],
    mean: Floats,
    deviation: Floats,
    *,
    first: int,
    k: int,
) -> Floats:
    """Mean square of all residuals of each channel, and mean of its `k` strongest lines.

    A line is as strong as its residual is above the healthy mean, in healthy deviations;
    lines below it count as 0: damage adds, it does not take away.

    Args:
        residual: Observed - expected, shape (B, F, C).
        device: Row of `mean` and `deviation`, shape (B,).
        mean: Of lines `first` .. `first + L - 1` in healthy time, shape (D, L, C).
        deviation: Likewise, > 0, shape (D, L, C).
        first: Where the lines begin among the F.
        k: How many count, 1 <= k <= L.

    Returns:
        Both >= 0, shape (B, 2, C); NaN where a residual is.

    Raises:
        ValueError: Shapes do not fit, a device is unknown or a deviation is not positive.
    """
    if residual.ndim != 3 or mean.ndim != 3 or mean.shape != deviation.shape:
        raise ValueError("residual must be (B, F, C), mean and deviation (D, L, C)")
    lines = mean.shape[1]
    if not (0 <= first and first + lines <= residual.shape[1] and 1 <= k <= lines):
        raise ValueError(
            f"no {k} of the lines {first} .. {first + lines - 1} in {residual.shape[1]}"
        )
    if mean.shape[2] != residual.shape[2] or device.shape != residual.shape[:1]:
        raise ValueError("channels or devices do not fit the residual")
    if device.size and not (0 <= device.min() and device.max() < mean.shape[0]):
        raise ValueError(f"device must be in 0..{mean.shape[0] - 1}")
    if not (deviation > 0).all():
        raise ValueError("deviation must be positive")
    out = np.empty((residual.shape[0], 2, residual.shape[2]), np.float32)
    _strongest_lines(residual, device, mean, deviation, first, k, out)
    return out


@numba.njit(cache=True, nogil=True)
def _strongest_lines(
    residual: Floats,
    device: NDArray[np.int64],
    mean: Floats,
    deviation: Floats,
    first: int,
    k: int,
    out: Floats,
) -> None:
    lines = mean.shape[1]
    largest = np.empty(k, np.float64)
    for b in range(residual.shape[0]):
        d = device[b]
        for c in range(residual.shape[2]):
            square = 0.0
            for f in range(residual.shape[1]):
                square += np.float64(residual[b, f, c]) * residual[b, f, c]
            out[b, 0, c] = square / residual.shape[1]
            # k is a handful: insertion into a sorted list of k beats sorting all lines.
            largest[:] = 0.0
            for f in range(lines):
                value = (residual[b, first + f, c] - mean[d, f, c]) / deviation[d, f, c]
                if value <= largest[k - 1]:
                    continue
                at = k - 1
                while at > 0 and largest[at - 1] < value:
                    largest[at] = largest[at - 1]
                    at -= 1
                largest[at] = value
            total = 0.0
            for j in range(k):
                total += largest[j]
            out[b, 1, c] = np.nan if np.isnan(square) else total / k
