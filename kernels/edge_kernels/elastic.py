"""How much of a window's error is a matter of timing: mean square against elastic distance.

Banded DTW alone hides faults of phase, which a wider band explains away. Beside the mean
square it tells them apart: a large gap between the two is a window that comes too early or late.
"""

import numpy as np
from numpy.typing import NDArray

from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_paths import dtw_path

__all__ = ["blamed_span", "elastic_errors"]

Floats = NDArray[np.float32]


def elastic_errors(observed: Floats, expected: Floats, radius: int) -> tuple[Floats, Floats]:
    """Mean square error and banded DTW distance a step, of each signal.

    Args:
        observed: Shape (B, S, C).
        expected: Shape (B, S, C).
        radius: Half-width of the band, steps, >= 0.

    Returns:
        Both (B, C), in squared units; the second is at most the first, up to rounding. NaN
        where a window holds a NaN or an infinity.

    Raises:
        ValueError: Shapes do not fit or `radius` is negative.
    """
    if observed.ndim != 3 or observed.shape != expected.shape:
        raise ValueError("observed and expected must be (B, S, C) alike")
    windows, steps, signals = observed.shape
    if not windows:
        return np.empty((0, signals), np.float32), np.empty((0, signals), np.float32)
    x, y = (
        np.ascontiguousarray(np.moveaxis(a, 2, 1).reshape(-1, steps), np.float32)
        for a in (observed, expected)
    )
    warped = dtw_batch(x, y, radius) / np.float32(steps)
    with np.errstate(over="ignore", invalid="ignore"):
        straight = np.mean((x - y) ** 2, axis=1, dtype=np.float32)
    shape = (windows, signals)
    return straight.reshape(shape), warped.astype(np.float32).reshape(shape)


def blamed_span(
    observed: Floats, expected: Floats, radius: int, share: float = 0.5
) -> tuple[int, int] | None:
    """The shortest run of steps that pays `share` of a window's elastic distance.

    Args:
        observed: Shape (S, C).
        expected: Shape (S, C).
        radius: Half-width of the band, steps, >= 0.
        share: In (0, 1].

    Returns:
        First and last step; None where the distance is zero or not finite.
    """
    distance, _, profile = dtw_path(
        np.ascontiguousarray(observed), np.ascontiguousarray(expected), radius
    )
    if not np.isfinite(distance) or distance <= 0:
        return None
    paid = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    wanted = paid[:-1] + share * paid[-1]
    end = np.searchsorted(paid, wanted - 1e-9 * paid[-1])  # first end that pays enough
    length = np.where(end < paid.size, end - np.arange(wanted.size), paid.size)
    first = int(np.argmin(length))
    return first, first + int(length[first]) - 1
