"""A series against what is usual at its time of the week."""

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["against_profile"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


def against_profile(
    series: Floats, device: Rows, place: Rows, median: Floats, spread: Floats
) -> Floats:
    """How far each value is from the usual one of its place: (x - median) / spread.

    Args:
        series: Shape (B, S, C).
        device: Row of the tables for each window, shape (B,).
        place: Place of each step in the week, shape (B, S), in 0..H-1.
        median: Usual value by place, shape (D, H, C).
        spread: Usual distance from it, > 0, shape (D, H, C).

    Returns:
        Shape (B, S, C), signed.

    Raises:
        ValueError: Shapes do not fit, or a device or a place is unknown.
    """
    if series.ndim != 3 or median.ndim != 3 or median.shape != spread.shape:
        raise ValueError("series must be (B, S, C), median and spread (D, H, C)")
    if device.shape != series.shape[:1] or place.shape != series.shape[:2]:
        raise ValueError("device must be (B,), place (B, S)")
    devices, places, signals = median.shape
    if series.shape[2] != signals:
        raise ValueError(f"series must have {signals} signals, got {series.shape[2]}")
    if device.size and not (0 <= device.min() and device.max() < devices):
        raise ValueError(f"device must be in 0..{devices - 1}")
    if place.size and not (0 <= place.min() and place.max() < places):
        raise ValueError(f"place must be in 0..{places - 1}")
    out = np.empty(series.shape, np.float32)
    _against_profile(np.ascontiguousarray(series), device, place, median, spread, out)
    return out


@numba.njit(cache=True, nogil=True)
def _against_profile(
    series: Floats, device: Rows, place: Rows, median: Floats, spread: Floats, out: Floats
) -> None:
    for b in range(series.shape[0]):
        d = device[b]
        for s in range(series.shape[1]):
            h = place[b, s]
            for c in range(series.shape[2]):
                out[b, s, c] = (series[b, s, c] - median[d, h, c]) / spread[d, h, c]
