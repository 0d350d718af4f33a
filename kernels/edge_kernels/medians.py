"""Rolling median of a stream, one a device, in a fixed piece of memory."""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Medians", "new_medians", "rolling_median"]

Floats = NDArray[np.float32]


class Medians(NamedTuple):
    """The newest K values of D streams, in order of arrival and in order of size."""

    ring: Floats  # (D, K) value number n at n % K
    ranked: Floats  # (D, K) the same, rising; the first min(taken, K) count
    taken: NDArray[np.int64]  # (D,) values kept so far
    seen: NDArray[np.int64]  # (D,) values offered so far, of which one in `stride` is kept
    stride: int


def new_medians(devices: int, length: int, stride: int = 1) -> Medians:
    """Empty streams.

    Args:
        devices: D.
        length: K, values that a median looks back on, >= 1.
        stride: Keep one value in so many, >= 1.

    Raises:
        ValueError: A size is not positive.
    """
    if min(devices, length, stride) < 1:
        raise ValueError("devices, length and stride must be positive")
    return Medians(
        ring=np.zeros((devices, length), np.float32),
        ranked=np.zeros((devices, length), np.float32),
        taken=np.zeros(devices, np.int64),
        seen=np.zeros(devices, np.int64),
        stride=stride,
    )


def rolling_median(
    values: Floats, device: NDArray[np.int64], medians: Medians, *, fewest: int
) -> Floats:
    """Median of each stream after each of its values, O(K) a value with a small factor.

    A value that is not finite is not taken; the median is then of those before it.

    Args:
        values: Shape (B,), in time order within each device.
        device: Shape (B,).
        medians: Changed in place.
        fewest: Values that must be kept before there is a median, >= 1.

    Returns:
        Shape (B,), NaN before `fewest` values; of an even number, the mean of the middle two.

    Raises:
        ValueError: Shapes do not fit, a device is unknown or `fewest` is not in 1..K.
    """
    if values.ndim != 1 or device.shape != values.shape:
        raise ValueError("values and device must be (B,)")
    if device.size and not (0 <= device.min() and device.max() < len(medians.ring)):
        raise ValueError(f"device must be in 0..{len(medians.ring) - 1}")
    if not 1 <= fewest <= medians.ring.shape[1]:
        raise ValueError(f"fewest must be in 1..{medians.ring.shape[1]}, got {fewest}")
    out = np.empty(values.shape, np.float32)
    _rolling_median(values, device, medians, fewest, out)
    return out


@numba.njit(cache=True, nogil=True)
def _rolling_median(
    values: Floats, device: NDArray[np.int64], medians: Medians, fewest: int, out: Floats
) -> None:
    length = medians.ring.shape[1]
    for b in range(values.size):
        d = device[b]
        value = values[b]
        if np.isfinite(value):
            if medians.seen[d] % medians.stride == 0:
                _replace(medians.ring[d], medians.ranked[d], medians.taken[d], value)
                medians.taken[d] += 1
            medians.seen[d] += 1
        kept = min(medians.taken[d], length)
        if kept < fewest:
            out[b] = np.nan
            continue
        low = medians.ranked[d, (kept - 1) // 2]
        high = medians.ranked[d, kept // 2]
        out[b] = low * np.float32(0.5) + high * np.float32(0.5)  # their sum could overflow


@numba.njit(cache=True, nogil=True)
def _replace(ring: Floats, ranked: Floats, taken: int, value: np.float32) -> None:
    """Put `value` in, and out what it drives out of the ring, by one pass of shifting."""
    length = ring.size
    at = taken  # an empty place behind the last
    if taken >= length:
        at = np.searchsorted(ranked, ring[taken % length])
    ring[taken % length] = value
    while at > 0 and ranked[at - 1] > value:
        ranked[at] = ranked[at - 1]
        at -= 1
    last = min(taken, length - 1)
    while at < last and ranked[at + 1] < value:
        ranked[at] = ranked[at + 1]
        at += 1
    ranked[at] = value
