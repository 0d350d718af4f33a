"""What the kernels compute, by definition: slow, obvious and never optimised."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["aeon_vus_pr", "event_counts", "vus_pr"]


# --- edge_export.metrics and edge_export.vus ---------------------------------------------


def _events(label: NDArray[np.bool_]) -> list[list[int]]:
    """Indices of each run of set flags."""
    runs: list[list[int]] = []
    for i, flag in enumerate(label):
        if flag and (i == 0 or not label[i - 1]):
            runs.append([])
        if flag:
            runs[-1].append(i)
    return runs


def event_counts(label: NDArray[np.bool_], alarm: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Events, events with an alarm, alarmed samples, alarmed samples that are labelled."""
    events = _events(label)
    hits = [event for event in events if any(alarm[i] for i in event)]
    alarmed = [i for i in range(len(alarm)) if alarm[i]]
    return len(events), len(hits), len(alarmed), sum(bool(label[i]) for i in alarmed)


def vus_pr(label: NDArray[np.bool_], score: NDArray[np.float64], buffer: int) -> float:
    """Paparrizos et al., VLDB 2022, one threshold and one buffer at a time."""
    ranked = sorted(score, reverse=True)
    thresholds = [ranked[int(i)] for i in np.linspace(0, len(score) - 1, 250)]
    events = _events(label)
    areas = []
    for length in range(buffer + 1):
        reach = length // 2
        extended = [float(flag) for flag in label]
        for event in events:
            for i in range(len(label)):
                distance = max(event[0] - i, i - event[-1])
                if 0 < distance <= reach:
                    extended[i] += (1 - distance / length) ** 0.5
        extended = [min(value, 1.0) for value in extended]
        regions: list[list[int]] = []
        for event in events:
            first, last = max(event[0] - reach, 0), min(event[-1] + reach, len(label) - 1)
            if regions and regions[-1][1] >= first:
                regions[-1][1] = last
            else:
                regions.append([first, last])
        area, before = 0.0, 0.0
        for threshold in thresholds:
            alarmed = [i for i in range(len(score)) if score[i] >= threshold]
            true = sum(extended[i] for i in alarmed)
            slopes = sum(extended[i] for i in alarmed if not label[i])
            positive = (int(label.sum()) + int(label.sum()) + slopes) / 2
            met = [any(a <= i <= b for i in alarmed) for a, b in regions]
            recall = min(true / positive, 1) * sum(met) / len(met)
            area += (recall - before) * true / len(alarmed)
            before = recall
        areas.append(area)
    return sum(areas) / len(areas)


def aeon_vus_pr(label: NDArray[np.bool_], score: NDArray[np.float64], buffer: int) -> float:
    """VUS-PR as aeon 1.6 computes it, which differs from the authors' code in five points.

    Slopes begin on the event's own last sample, so that the right one is a sample shorter;
    a buffer of 1 has none; extended events that touch are one; recall counts all of the
    slopes and not the alarmed part; precision is the mean of both ends of a step.
    """
    ranked = sorted(score, reverse=True)
    thresholds = [ranked[int(i)] for i in np.linspace(0, len(score) - 1, 250)]
    areas = []
    for length in range(buffer + 1):
        extended = label.astype(np.float64)
        for event in _events(label):
            for i in range(len(label)):
                before, after = event[0] - i, i - event[-1]
                if 0 < before <= length // 2 or 0 < after < length // 2:
                    extended[i] += (1 - max(before, after) / length) ** 0.5
        extended = np.minimum(extended, 1)
        regions = _events(extended > 0)
        area, recall_before, precision_before = 0.0, 0.0, 1.0
        for threshold in thresholds:
            alarm = score >= threshold
            true = float(extended[alarm].sum())
            met = [bool(alarm[region].any()) for region in regions]
            recall = min(true / ((label.sum() + extended.sum()) / 2), 1) * sum(met) / len(met)
            precision = true / int(alarm.sum())
            area += (recall - recall_before) * (precision + precision_before) / 2
            recall_before, precision_before = recall, precision
        areas.append(area)
    return sum(areas) / len(areas)
