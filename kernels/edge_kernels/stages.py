"""The stages that follow a model's graph: from residuals to one score a window.

All take a batch of B windows in time order within each device. `device` says which
row of the constants and of the running state a window uses. A *track* is one way of
looking at the residual (raw, whitened, of another branch); T of them run side by side.
"""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["recent_energy", "smooth", "standardise", "whiten"]

Floats = NDArray[np.float32]


def whiten(residual: Floats, device: NDArray[np.int64], phi: Floats, last: Floats) -> Floats:
    """What the residual holds beyond its own past: r_t - phi * r_(t-1), per signal.

    Args:
        residual: Signed residuals, shape (B, C), finite.
        device: Row of `phi` and `last` for each window, shape (B,).
        phi: First-order autocorrelation, 0..1, shape (D, C).
        last: The device's previous residual, shape (D, C), NaN before the first; updated.

    Returns:
        Shape (B, C). A device's first residual counts as its own past, r - phi * r: passed
        on whole it would be huge beside whitened ones, and every start an alarm.

    Raises:
        ValueError: Shapes do not fit or a device is unknown.
    """
    _check(device, phi.shape[0], residual.shape[0])
    if residual.ndim != 2 or phi.shape != last.shape or phi.shape[1] != residual.shape[1]:
        raise ValueError("residual must be (B, C), phi and last (D, C)")
    out = np.empty_like(residual)
    _whiten(residual, device, phi, last, out)
    return out


def standardise(
    tracks: Floats, device: NDArray[np.int64], mean: Floats, deviation: Floats
) -> Floats:
    """Size of each residual in deviations from its healthy mean: (|r| - mean) / deviation.

    Args:
        tracks: Signed residuals, shape (B, T, C).
        device: Shape (B,).
        mean: Mean of |r| in healthy time, shape (D, T, C).
        deviation: Its standard deviation, floored, > 0, shape (D, T, C).

    Returns:
        Shape (B, T, C); 0 is the healthy mean.

    Raises:
        ValueError: Shapes do not fit, a device is unknown or a deviation is not positive.
    """
    _check(device, mean.shape[0], tracks.shape[0])
    if tracks.ndim != 3 or mean.shape != deviation.shape or mean.shape[1:] != tracks.shape[1:]:
        raise ValueError("tracks must be (B, T, C), mean and deviation (D, T, C)")
    if not (deviation > 0).all():
        raise ValueError("deviation must be positive")
    out = np.empty_like(tracks)
    _standardise(tracks, device, mean, deviation, out)
    return out


def smooth(
    scores: Floats,
    device: NDArray[np.int64],
    scale: Floats,
    alpha: float,
    average: Floats,
) -> Floats:
    """The larger of a score and its moving average, each by its own healthy level.

    max(s / scale[0], a / scale[1]) with a += alpha * (s - a): a spike shows at once and
    a small lasting rise shows too.

    Args:
        scores: Shape (B, T).
        device: Shape (B,).
        scale: Healthy levels of score and average, > 0, shape (D, T, 2).
        alpha: Weight of the newest score in the average, 0 < alpha <= 1.
        average: Running averages, shape (D, T), NaN before the first score; updated.

    Returns:
        Shape (B, T).

    Raises:
        ValueError: Shapes do not fit, a device is unknown or a constant is out of range.
    """
    _check(device, scale.shape[0], scores.shape[0])
    if (
        scores.ndim != 2
        or scale.shape != (*average.shape, 2)
        or average.shape[1] != scores.shape[1]
    ):
        raise ValueError("scores must be (B, T), scale (D, T, 2), average (D, T)")
    if not 0 < alpha <= 1 or not (scale > 0).all():
        raise ValueError("alpha must be in (0, 1] and scale positive")
    out = np.empty_like(scores)
    _smooth(scores, device, scale, np.float32(alpha), average, out)
    return out


def recent_energy(
    sizes: Floats, device: NDArray[np.int64], alpha: float, average: Floats
) -> Floats:
    """Moving average of the square of each signal's excess, max(0, size)^2.

    Args:
        sizes: How far each signal is off, shape (B, C).
        device: Shape (B,).
        alpha: Weight of the newest square in the average, 0 < alpha <= 1.
        average: Running averages, shape (D, C), NaN before the first; updated.

    Returns:
        Shape (B, C). An average that is not finite any more begins anew.

    Raises:
        ValueError: Shapes do not fit, a device is unknown or alpha is out of range.
    """
    _check(device, average.shape[0], sizes.shape[0])
    if sizes.ndim != 2 or average.shape[1:] != sizes.shape[1:]:
        raise ValueError("sizes must be (B, C), average (D, C)")
    if not 0 < alpha <= 1:
        raise ValueError("alpha must be in (0, 1]")
    out = np.empty_like(sizes)
    _recent_energy(sizes, device, np.float32(alpha), average, out)
    return out


def _check(device: NDArray[np.int64], devices: int, rows: int) -> None:
    if device.shape != (rows,):
        raise ValueError(f"device must be ({rows},), got {device.shape}")
    if rows and not (0 <= device.min() and device.max() < devices):
        raise ValueError(f"device must be in 0..{devices - 1}")


@numba.njit(cache=True, nogil=True)
def _whiten(
    residual: Floats, device: NDArray[np.int64], phi: Floats, last: Floats, out: Floats
) -> None:
    for b in range(residual.shape[0]):
        d = device[b]
        for c in range(residual.shape[1]):
            r = residual[b, c]
            before = last[d, c]
            out[b, c] = r - phi[d, c] * (r if np.isnan(before) else before)
            last[d, c] = r


@numba.njit(cache=True, nogil=True)
def _standardise(
    tracks: Floats,
    device: NDArray[np.int64],
    mean: Floats,
    deviation: Floats,
    out: Floats,
) -> None:
    for b in range(tracks.shape[0]):
        d = device[b]
        for t in range(tracks.shape[1]):
            for c in range(tracks.shape[2]):
                out[b, t, c] = (abs(tracks[b, t, c]) - mean[d, t, c]) / deviation[d, t, c]


@numba.njit(cache=True, nogil=True)
def _smooth(
    scores: Floats,
    device: NDArray[np.int64],
    scale: Floats,
    alpha: np.float32,
    average: Floats,
    out: Floats,
) -> None:
    for b in range(scores.shape[0]):
        d = device[b]
        for t in range(scores.shape[1]):
            s = scores[b, t]
            a = average[d, t]
            a = s if np.isnan(a) else a + alpha * (s - a)
            average[d, t] = a
            out[b, t] = max(s / scale[d, t, 0], a / scale[d, t, 1])


@numba.njit(cache=True, nogil=True)
def _recent_energy(
    sizes: Floats,
    device: NDArray[np.int64],
    alpha: np.float32,
    average: Floats,
    out: Floats,
) -> None:
    for b in range(sizes.shape[0]):
        d = device[b]
        for c in range(sizes.shape[1]):
            excess = max(sizes[b, c], np.float32(0))
            energy = excess * excess
            a = average[d, c]
            a = a + alpha * (energy - a) if np.isfinite(a) else energy
            average[d, c] = a
            out[b, c] = a
