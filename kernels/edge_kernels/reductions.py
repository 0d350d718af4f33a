"""From a residual of every signal to one number a track, and from tracks to one number."""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "combine_log1p",
    "largest_group",
    "mahalanobis",
    "mean_of_largest",
    "mean_square",
    "vote",
]

Floats = NDArray[np.float32]


def mean_of_largest(tracks: Floats, k: int) -> Floats:
    """Mean of the `k` largest signals of each track, (B, T, C) -> (B, T).

    Raises:
        ValueError: `tracks` is not (B, T, C) or `k` is not in 1..C.
    """
    if tracks.ndim != 3 or not 1 <= k <= tracks.shape[2]:
        raise ValueError(f"tracks must be (B, T, C) and k in 1..C, got {tracks.shape}, {k}")
    out = np.empty(tracks.shape[:2], np.float32)
    _mean_of_largest(tracks, k, out)
    return out


def mean_square(tracks: Floats) -> Floats:
    """Mean over the signals of the squared residuals, (B, T, C) -> (B, T).

    Raises:
        ValueError: `tracks` is not (B, T, C) with C >= 1.
    """
    if tracks.ndim != 3 or tracks.shape[2] < 1:
        raise ValueError(f"tracks must be (B, T, C), got {tracks.shape}")
    out = np.empty(tracks.shape[:2], np.float32)
    _mean_square(tracks, out)
    return out


def largest_group(tracks: Floats, group: NDArray[np.int64]) -> Floats:
    """Mean square of the group of signals in which it is largest, (B, T, C) -> (B, T).

    Args:
        tracks: Residuals, shape (B, T, C).
        group: Number of each signal's group, 0..G - 1, each of them there, shape (C,).

    Raises:
        ValueError: Shapes do not fit, or a group has no signal.
    """
    if tracks.ndim != 3 or group.shape != tracks.shape[2:] or group.size < 1:
        raise ValueError("tracks must be (B, T, C) and group (C,)")
    if group.min() < 0 or not np.bincount(group).all():
        raise ValueError("groups must be numbered from 0 without a gap")
    out = np.empty(tracks.shape[:2], np.float32)
    _largest_group(tracks, group, np.bincount(group).astype(np.float32), out)
    return out


def mahalanobis(
    tracks: Floats, device: NDArray[np.int64], mean: Floats, precision: Floats
) -> tuple[Floats, Floats]:
    """Distance from the healthy mean in a metric of its own, and each signal's part in it.

    d2 = (r - m)' P (r - m), which is T2 of all components where P is the inverse of the healthy
    covariance; the part of signal i is (r - m)_i (P (r - m))_i, and the parts add up to d2
    (Alcala and Qin, "Reconstruction-based contribution", Automatica 2009, partial
    decomposition).

    Args:
        tracks: Residuals, shape (B, T, C).
        device: Shape (B,).
        mean: Shape (D, T, C).
        precision: Shape (D, T, C, C).

    Returns:
        Square root of d2, shape (B, T), 0 where rounding makes d2 negative; parts, (B, T, C).

    Raises:
        ValueError: Shapes do not fit or a device is unknown.
    """
    if (
        tracks.ndim != 3
        or mean.ndim != 3
        or mean.shape[1:] != tracks.shape[1:]
        or precision.shape != (*mean.shape, tracks.shape[2])
    ):
        raise ValueError("tracks must be (B, T, C), mean (D, T, C), precision (D, T, C, C)")
    if device.shape != tracks.shape[:1]:
        raise ValueError(f"device must be ({len(tracks)},), got {device.shape}")
    if device.size and not (0 <= device.min() and device.max() < len(mean)):
        raise ValueError(f"device must be in 0..{len(mean) - 1}")
    distance = np.empty(tracks.shape[:2], np.float32)
    parts = np.empty_like(tracks)
    _mahalanobis(tracks, device, mean, precision, distance, parts)
    return distance, parts


def combine_log1p(scores: Floats) -> Floats:
    """One score from T tracks, (B, T) -> (B, 1): the mean of log(1 + s), s >= 0.

    Raises:
        ValueError: `scores` is not (B, T) with T >= 1.
    """
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise ValueError(f"scores must be (B, T), got {scores.shape}")
    logs: Floats = np.log1p(np.maximum(scores, 0))
    mean: Floats = np.mean(logs, axis=1, keepdims=True, dtype=np.float32)
    return mean


def vote(scores: Floats, n: int) -> Floats:
    """The `n`-th largest of T tracks, (B, T) -> (B, 1): above 1 where `n` of them are.

    Raises:
        ValueError: `scores` is not (B, T) or `n` is not in 1..T.
    """
    if scores.ndim != 2 or not 1 <= n <= scores.shape[1]:
        raise ValueError(f"scores must be (B, T) and n in 1..T, got {scores.shape}, {n}")
    at = scores.shape[1] - n
    nth: Floats = np.partition(scores, at, axis=1)[:, at : at + 1]
    return nth


@numba.njit(cache=True, nogil=True)
def _mean_of_largest(tracks: Floats, k: int, out: Floats) -> None:
    # k is a handful: insertion into a sorted list of k beats sorting the whole row.
    largest = np.empty(k, np.float32)
    for b in range(tracks.shape[0]):
        for t in range(tracks.shape[1]):
            largest[:] = -np.inf
            for c in range(tracks.shape[2]):
                value = tracks[b, t, c]
                if value <= largest[k - 1]:
                    continue
                at = k - 1
                while at > 0 and largest[at - 1] < value:
                    largest[at] = largest[at - 1]
                    at -= 1
                largest[at] = value
            total = np.float32(0.0)
            for j in range(k):
                total += largest[j]
            out[b, t] = total / k


@numba.njit(cache=True, nogil=True)
def _mean_square(tracks: Floats, out: Floats) -> None:
    for b in range(tracks.shape[0]):
        for t in range(tracks.shape[1]):
            total = 0.0  # float64: a whole window may hold thousands of squares
            for c in range(tracks.shape[2]):
                value = np.float64(tracks[b, t, c])
                total += value * value
            out[b, t] = total / tracks.shape[2]


@numba.njit(cache=True, nogil=True)
def _largest_group(tracks: Floats, group: NDArray[np.int64], sizes: Floats, out: Floats) -> None:
    totals = np.empty(sizes.size, np.float64)
    for b in range(tracks.shape[0]):
        for t in range(tracks.shape[1]):
            totals[:] = 0.0
            for c in range(tracks.shape[2]):
                value = np.float64(tracks[b, t, c])
                totals[group[c]] += value * value
            worst = totals[0] / sizes[0]
            for g in range(1, sizes.size):
                worst = max(worst, totals[g] / sizes[g])
            out[b, t] = worst


@numba.njit(cache=True, nogil=True)
def _mahalanobis(
    tracks: Floats,
    device: NDArray[np.int64],
    mean: Floats,
    precision: Floats,
    distance: Floats,
    parts: Floats,
) -> None:
    signals = tracks.shape[2]
    off = np.empty(signals, np.float64)
    for b in range(tracks.shape[0]):
        d = device[b]
        for t in range(tracks.shape[1]):
            for c in range(signals):
                off[c] = np.float64(tracks[b, t, c]) - mean[d, t, c]
            total = 0.0
            for i in range(signals):
                weighed = 0.0
                for j in range(signals):
                    weighed += precision[d, t, i, j] * off[j]
                part = off[i] * weighed
                parts[b, t, i] = part
                total += part
            # Written so that a NaN stays one.
            distance[b, t] = 0.0 if total < 0 else np.sqrt(total)
