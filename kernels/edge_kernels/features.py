"""What the newest steps of a residual are like, in a few numbers over spans of several lengths.

One number is not enough: a shifted day has a large mean, a dead sensor no movement, a slack
one a small variance. A forest over all of them sees each kind.
"""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "span_features"]

FEATURES = 5
"""Numbers a signal: signed mean, then the logarithms of mean square, mean size, variance, and
mean step of the series."""

Floats = NDArray[np.float32]


def span_features(
    residual: Floats, series: Floats, spans: NDArray[np.int64], floor: float
) -> Floats:
    """Statistics of each signal over the newest steps.

    Args:
        residual: Shape (B, S, C).
        series: What the residual is of, shape (B, S, C): a step is |x_t - x_(t-1)|.
        spans: How many of the newest steps each span takes, 2 to S, shape (T,).
        floor: Added before each logarithm, > 0: below it, differences mean nothing.

    Returns:
        Shape (B, T, C * FEATURES), the features of a signal side by side.

    Raises:
        ValueError: Shapes do not fit, or a span or the floor is out of range.
    """
    if residual.ndim != 3 or residual.shape != series.shape:
        raise ValueError("residual and series must be (B, S, C) alike")
    steps = residual.shape[1]
    if spans.ndim != 1 or not spans.size or not (2 <= spans.min() and spans.max() <= steps):
        raise ValueError(f"spans must be (T,) of 2 to {steps} steps, got {spans}")
    if not floor > 0:
        raise ValueError(f"floor must be positive, got {floor}")
    out = np.empty((residual.shape[0], spans.size, residual.shape[2] * FEATURES), np.float32)
    _span_features(np.ascontiguousarray(residual), np.ascontiguousarray(series), spans, floor, out)
    return out


@numba.njit(cache=True, nogil=True)
def _span_features(
    residual: Floats, series: Floats, spans: NDArray[np.int64], floor: float, out: Floats
) -> None:
    steps, signals = residual.shape[1], residual.shape[2]
    for b in range(residual.shape[0]):
        for t in range(spans.size):
            span = spans[t]
            first = steps - span
            for c in range(signals):
                total = 0.0
                size = 0.0
                square = 0.0
                for s in range(first, steps):
                    r = np.float64(residual[b, s, c])
                    total += r
                    size += abs(r)
                    square += r * r
                mean = total / span
                # From the mean, not E[x2] - mean2: that is noise at a high level.
                spread = 0.0
                for s in range(first, steps):
                    r = residual[b, s, c] - mean
                    spread += r * r
                step = 0.0
                for s in range(first + 1, steps):
                    step += abs(np.float64(series[b, s, c]) - series[b, s - 1, c])
                at = c * 5
                out[b, t, at] = mean
                out[b, t, at + 1] = np.log(square / span + floor)
                out[b, t, at + 2] = np.log(size / span + floor)
                out[b, t, at + 3] = np.log(spread / span + floor)
                out[b, t, at + 4] = np.log(step / (span - 1) + floor)
