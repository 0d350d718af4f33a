"""Whether the signals a detector blames are those that an operator blamed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hits", "chance", "hits"]


@dataclass(frozen=True)
class Hits:
    """How well one event's causes were found, 0..1."""

    hit_top1: float  # the signal blamed most is a cause
    hit_top3: float  # one of the three blamed most is a cause
    hit_100: float  # share of the causes among the first |causes| signals
    hit_150: float  # among half as many again


def hits(deviation: NDArray[np.floating], causes: NDArray[np.bool_]) -> Hits:
    """Rank signals by their mean deviation over an event and look where its causes come.

    hit_100 and hit_150 are HitRate@P% (Su et al., OmniAnomaly, KDD 2019, section 5.5), here
    once an event rather than once a sample: a long event counts no more than a short one.

    Args:
        deviation: How far each signal is off in the event's windows, (n, C), n >= 1.
        causes: The signals that an operator blamed, (C,), at least one.

    Raises:
        ValueError: There is no window or no cause, shapes do not fit, or a value is not finite.
    """
    if deviation.ndim != 2 or not len(deviation) or causes.shape != deviation.shape[1:]:  # noqa: PLR2004 - a table
        raise ValueError(f"(n, C) and (C,) with n >= 1, got {deviation.shape}, {causes.shape}")
    if not causes.any() or not np.isfinite(deviation).all():
        raise ValueError("an event needs a cause and finite deviations")
    blamed = causes[np.argsort(-deviation.mean(axis=0), kind="stable")]
    n = int(causes.sum())
    return Hits(
        hit_top1=float(blamed[0]),
        hit_top3=float(blamed[:3].any()),
        hit_100=float(blamed[:n].sum() / n),
        hit_150=float(blamed[: n * 3 // 2].sum() / n),
    )


def chance(signals: int, causes: int) -> Hits:
    """What a ranking at random gets on average: with many causes, most of what a model gets.

    Args:
        signals: C.
        causes: How many of them are causes, 1..C.

    Raises:
        ValueError: `causes` is not in 1..C.
    """
    if not 1 <= causes <= signals:
        raise ValueError(f"causes must be in 1..{signals}, got {causes}")
    others = signals - causes
    missed = 1.0
    for drawn in range(min(3, signals)):
        missed *= max(0, others - drawn) / (signals - drawn)
    return Hits(
        hit_top1=causes / signals,
        hit_top3=1 - missed,
        hit_100=causes / signals,
        hit_150=min(causes * 3 // 2, signals) / signals,
    )
