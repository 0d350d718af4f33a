"""Volume under the precision-recall surface, the threshold-free figure for events in time.

Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection", VLDB 2022, section 4, as the authors' package and TSB-AD
compute it. For every buffer l, labels get slopes of l // 2 samples at either end of each
event, sqrt(1 - d / l) at d samples from it, added up where they meet and cut off at 1.
With TP the extended label summed over alarmed samples, and P the mean of the labelled
samples and of those plus the part of the slopes that is alarmed,

    precision = TP / alarmed samples
    recall = min(TP / P, 1) * share of extended events with an alarm

at the scores of 250 ranks spread evenly. Their area is a sum of steps as in average
precision, and the volume is its mean over the buffers 0 to L. It grows with L: figures
compare at the same L only, so every report prints it. It grows with the number of ranks too:
bench/vus_ranks.py measures by how much.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_export.evaluation.metrics import checked, spans

__all__ = ["BUFFER", "vus_pr"]

BUFFER = 100  # samples; TSB-AD's default
THRESHOLDS = 250  # of the published implementation, so that figures compare

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class _Ranks(NamedTuple):
    falling: Ints  # samples from the highest score down
    threshold: Floats  # (T,) falling
    alarmed: Ints  # (T,) samples at or above each threshold


def vus_pr(
    label: Flags, score: Floats, buffer: int = BUFFER, thresholds: int = THRESHOLDS
) -> float:
    """Volume under the precision-recall surface over buffers of 0 to `buffer` samples.

    A constant score gets the share of samples in events and their slopes.

    Args:
        label: Shape (n,).
        score: Shape (n,), higher for more unusual.
        buffer: The widest buffer L, samples, >= 0.
        thresholds: T, how many ranks precision and recall are taken at, >= 1.

    Raises:
        ValueError: Lengths differ, a score is not finite, labels are all set or all clear,
            `buffer` is negative or `thresholds` is not positive.
    """
    label, score = checked(label, score)
    if buffer < 0:
        raise ValueError(f"buffer must not be negative, got {buffer}")
    if thresholds < 1:
        raise ValueError(f"thresholds must be positive, got {thresholds}")
    falling = np.argsort(-score, kind="stable")
    ranked = score[falling]
    threshold = ranked[np.linspace(0, label.size - 1, thresholds).astype(np.int64)]
    ranks = _Ranks(falling, threshold, np.searchsorted(-ranked, -threshold, side="right"))
    areas = [_range_pr(label, score, ranks, length) for length in range(buffer + 1)]
    return float(np.mean(areas))


def _range_pr(label: Flags, score: Floats, ranks: _Ranks, length: int) -> float:
    """Area under the range-based precision-recall curve for one buffer.

    One pass over the samples in order of rank gives the sums at every threshold.
    """
    extended = _extend(label, length)
    true = np.cumsum(extended[ranks.falling])[ranks.alarmed - 1]
    slopes = np.cumsum(np.where(label, 0, extended)[ranks.falling])[ranks.alarmed - 1]
    positive = np.count_nonzero(label) + slopes / 2
    highest = np.maximum.reduceat(np.append(score, -np.inf), _regions(label, length).ravel())[::2]
    met = (highest >= ranks.threshold[:, np.newaxis]).mean(axis=1)
    recall = np.minimum(true / positive, 1) * met
    return float(np.sum(np.diff(recall, prepend=0) * true / ranks.alarmed))


def _extend(label: Flags, length: int) -> Floats:
    reach = length // 2
    extended = label.astype(np.float64)
    for start, stop in spans(label):
        before = np.arange(max(start - reach, 0), start)
        after = np.arange(stop, min(stop + reach, label.size))
        extended[before] += np.sqrt(1 - (start - before) / length)
        extended[after] += np.sqrt(1 - (after - stop + 1) / length)
    return np.minimum(extended, 1)


def _regions(label: Flags, length: int) -> Ints:
    """Events with their slopes, overlapping ones as one, (R, 2); those that touch stay two."""
    reach = length // 2
    event = spans(label)
    start = np.maximum(event[:, 0] - reach, 0)
    stop = np.minimum(event[:, 1] + reach, label.size)
    apart = start[1:] >= stop[:-1]
    first, last = np.append(True, apart), np.append(apart, True)
    return np.stack([start[first], stop[last]], axis=1)
