"""The periods in which a series repeats itself, from its Fourier spectrum.

Differencing a series multiplies its spectrum by the frequency squared, so that harmonics
outgrow the day they belong to; a straight trend is what must go for long periods to be seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Spectrum", "dominant_periods", "spectrum"]

SHORTEST = 4  # samples: below it a period has no shape
REPEATS = 4  # times that a period must fit into the series to be believed


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Power by period; longest period first."""

    period: NDArray[np.float64]
    """In samples, shape (K,), falling."""
    power: NDArray[np.float64]
    """Share of the series' variance, shape (K,); sums to 1, or is 0 for a flat series."""


def spectrum(series: ArrayLike, *, differenced: bool = False) -> Spectrum:
    """How much of a series' variance each period holds.

    Args:
        series: Samples at a fixed rate, shape (n,), n >= 3, finite.
        differenced: Look at the steps from sample to sample; else at what a straight line
            leaves.

    Raises:
        ValueError: `series` is not one-dimensional, too short or not finite.
    """
    x = np.asarray(series, np.float64)
    if x.ndim != 1 or x.size < 3 or not np.isfinite(x).all():
        raise ValueError("series must be (n,) with n >= 3, and finite")
    if differenced:
        x = np.diff(x)
        x -= x.mean()
    else:
        t = np.arange(x.size) - (x.size - 1) / 2
        x = x - x.mean()
        x -= t * (t @ x) / (t @ t)
    power = np.abs(np.fft.rfft(x))[1:] ** 2
    if x.size % 2 == 0:
        power[-1] /= 2  # the highest frequency has no mirror image
    total = power.sum()
    period = x.size / np.arange(1, power.size + 1)
    # What is left of a straight line is rounding, not rhythm.
    flat = total <= 1e-20 * max(1.0, float(np.abs(np.asarray(series)).max()) ** 2) * x.size**2
    return Spectrum(period, np.zeros_like(power) if flat else power / total)


def dominant_periods(found: Spectrum, count: int, *, separation: float = 0.25) -> list[float]:
    """The strongest periods that differ from each other, strongest first.

    Args:
        found: A spectrum.
        count: How many at most.
        separation: Two periods count as one unless they differ by more than this share of
            the longer one.

    Returns:
        Periods in samples; fewer than `count`, or none, where the series holds no more.

    Raises:
        ValueError: `count` is not positive or `separation` not in [0, 1).
    """
    if count < 1 or not 0 <= separation < 1:
        raise ValueError(f"count must be >= 1, separation in [0, 1): {count}, {separation}")
    chosen: list[float] = []
    longest = float(found.period.max(initial=0.0)) / REPEATS
    for i in np.argsort(-found.power, kind="stable"):
        period = float(found.period[i])
        if found.power[i] <= 0 or len(chosen) == count:
            break
        if SHORTEST <= period <= longest and all(
            abs(period - other) > separation * max(period, other) for other in chosen
        ):
            chosen.append(period)
    return chosen
