"""What a detector is worth, from its scores or its alarms and the labels of a recording.

Free of a threshold: average precision, and VUS-PR in `vus`. At the threshold that would be
deployed: `at_threshold`. With hindsight: `best_f1`. For comparison with older papers and for
nothing else: `point_adjusted_f1`.

Labels are one flag a window, scores higher for more unusual, both in time order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

__all__ = [
    "Deployed",
    "at_threshold",
    "average_precision",
    "best_f1",
    "checked",
    "episodes",
    "point_adjusted_f1",
    "spans",
]

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Spans = NDArray[np.int64]  # (E, 2) first sample and the one after the last

EPISODE_GAP = 10  # samples; alarms closer together are one episode to whoever answers them


@dataclass(frozen=True)
class Deployed:
    """What alarms at a fixed threshold would have meant to whoever answers them.

    `recall` counts events and `precision` counts samples: with episodes in both places a
    detector that always alarms would be perfect.
    """

    events: int
    detected: int  # events with at least one alarm inside
    precision: float  # share of alarmed samples that are labelled; 0 without alarms
    episodes: int  # alarms, those closer together than the gap taken as one
    false_episodes: int  # episodes that meet no event
    false_per_day: float  # false episodes per day of unlabelled time
    alarm_rate: float  # share of all samples in alarm
    detection_rate: float  # share of labelled samples in alarm; TEP's FDR, 1 - SKAB's MAR
    false_alarm_rate: float  # share of unlabelled samples in alarm; TEP's and SKAB's FAR
    delay_s: float  # median over detected events, from their start; NaN when there are none

    @property
    def recall(self) -> float:
        """Share of events with at least one alarm inside."""
        return self.detected / self.events

    @property
    def f1(self) -> float:
        """Harmonic mean of event recall and pointwise precision.

        The composite F-score of Garg et al., IEEE TNNLS 2021, section III-C; TSB-AD's
        Event-F1 at a given threshold.
        """
        total = self.recall + self.precision
        return 2 * self.recall * self.precision / total if total else 0.0

    @property
    def points_f1(self) -> float:
        """Pointwise F1, the one of SKAB's leaderboard: always-alarm gets 0.7 there."""
        total = self.detection_rate + self.precision
        return 2 * self.detection_rate * self.precision / total if total else 0.0


def spans(flags: Flags) -> Spans:
    """Runs of set flags as [first, after last), shape (E, 2)."""
    edge = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return edge.astype(np.int64).reshape(-1, 2)


def episodes(alarm: Flags, gap: int = EPISODE_GAP) -> Spans:
    """Runs of alarms, merged where fewer than `gap` samples lie between them; (E, 2).

    Raises:
        ValueError: `gap` is not positive.
    """
    if gap < 1:
        raise ValueError(f"gap must be positive, got {gap}")
    runs = spans(alarm)
    if not runs.size:
        return runs
    apart = runs[1:, 0] - runs[:-1, 1] >= gap
    return np.stack(
        [runs[np.concatenate([[True], apart]), 0], runs[np.concatenate([apart, [True]]), 1]], axis=1
    )


def checked(label: Flags, score: Floats) -> tuple[Flags, Floats]:
    """Labels and scores that every measure here can work with.

    Raises:
        ValueError: Lengths differ, a score is not finite, or labels are all set or all clear.
    """
    if label.ndim != 1 or label.shape != score.shape:
        raise ValueError(f"label and score must be (n,), got {label.shape} and {score.shape}")
    if label.dtype != np.bool_:
        raise ValueError(f"label must be flags, got {label.dtype}")
    bad = np.count_nonzero(~np.isfinite(score))
    if bad:
        raise ValueError(f"{bad} of {score.size} scores are NaN or infinite")
    if not label.any() or label.all():
        raise ValueError("labels must hold an event and healthy time; they are all alike")
    return label, score.astype(np.float64)


def average_precision(label: Flags, score: Floats) -> float:
    """Area under the precision-recall curve as a sum of steps (scikit-learn's definition).

    A random score gets the share of labelled samples, and so does a constant one.

    Raises:
        ValueError: Lengths differ, a score is not finite, or labels are all set or all clear.
    """
    label, score = checked(label, score)
    return float(sklearn_metrics.average_precision_score(label, score))


def best_f1(label: Flags, score: Floats) -> float:
    """The best pointwise F1 of any threshold: an oracle's, for it takes the labels to find it.

    Raises:
        ValueError: As `average_precision`.
    """
    label, score = checked(label, score)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(label, score)
    total = precision + recall
    return float(np.max(2 * precision * recall / np.where(total > 0, total, 1)))


def point_adjusted_f1(label: Flags, score: Floats) -> float:
    """Legacy: the best F1 when one alarm in an event makes all its samples true positives.

    Xu et al., WWW 2018. A random score reaches 0.8 on common data (Kim et al., AAAI 2022,
    section 3), so the figure shows nothing alone.

    Raises:
        ValueError: As `average_precision`.
    """
    label, score = checked(label, score)
    adjusted = score.copy()
    for start, stop in spans(label):
        adjusted[start:stop] = score[start:stop].max()
    return best_f1(label, adjusted)


def at_threshold(
    label: Flags, alarm: Flags, *, period_s: float, gap: int = EPISODE_GAP
) -> Deployed:
    """Judge alarms against labels.

    Args:
        label: Shape (n,).
        alarm: Shape (n,).
        period_s: Seconds between samples, > 0.
        gap: Alarms with fewer samples between them are one episode.

    Raises:
        ValueError: Lengths differ, labels are all set or all clear, or a number is not positive.
    """
    label, _ = checked(label, alarm.astype(np.float64))
    if period_s <= 0:
        raise ValueError(f"period_s must be positive, got {period_s}")
    event = spans(label)
    first = [_first(alarm[start:stop]) for start, stop in event]
    delay = [at * period_s for at in first if at is not None]
    episode = episodes(alarm, gap)
    false = sum(not label[start:stop].any() for start, stop in episode)
    return Deployed(
        events=len(event),
        detected=len(delay),
        precision=float(label[alarm].mean()) if alarm.any() else 0.0,
        episodes=len(episode),
        false_episodes=false,
        false_per_day=false / float(np.count_nonzero(~label) * period_s / 86400),
        alarm_rate=float(alarm.mean()),
        detection_rate=float(alarm[label].mean()),
        false_alarm_rate=float(alarm[~label].mean()),
        delay_s=float(np.median(delay)) if delay else float("nan"),
    )


def _first(alarm: Flags) -> int | None:
    return int(alarm.argmax()) if alarm.any() else None
