"""What the kernels compute, by definition: slow, obvious and never optimised."""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "aeon_vus_pr",
    "dtw",
    "dtw_matrix",
    "event_counts",
    "isolation_score",
    "vus_pr",
]


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


# --- elastic distances and forests --------------------------------------------------


def dtw_matrix(
    x: NDArray[np.floating], y: NDArray[np.floating], radius: int
) -> NDArray[np.float64]:
    """Least cost of a path from (0, 0) to (i, j) in the band |i - j| <= radius."""
    x = np.reshape(x, (len(x), -1)).astype(np.float64)
    y = np.reshape(y, (len(y), -1)).astype(np.float64)
    best = np.full((len(x) + 1, len(y) + 1), np.inf)
    best[0, 0] = 0
    for i in range(len(x)):
        for j in range(len(y)):
            if abs(i - j) <= radius:
                cost = 0.0
                for difference in x[i] - y[j]:
                    cost += difference * difference
                best[i + 1, j + 1] = cost + min(best[i, j], best[i, j + 1], best[i + 1, j])
    return best[1:, 1:]


def dtw(x: NDArray[np.floating], y: NDArray[np.floating], radius: int) -> float:
    return float(dtw_matrix(x, y, radius)[-1, -1])


def isolation_score(
    trees: list[dict[str, list[float]]], row: NDArray[np.float32], training_rows: int
) -> float:
    """Score of one row by eq. 1 and 2 of Liu, Ting and Zhou (2008), negated.

    A tree lists, node by node, "left" and "right" children (-1 at a leaf), "feature",
    "threshold" and "rows", the training rows that came by.
    """
    total = 0.0
    for tree in trees:
        node = 0
        while tree["left"][node] >= 0:
            goes_right = float(row[int(tree["feature"][node])]) > tree["threshold"][node]
            node = int(tree["right" if goes_right else "left"][node])
            total += 1
        total += _unsuccessful_search(int(tree["rows"][node]))
    return -(2 ** -(total / len(trees) / _unsuccessful_search(training_rows)))


def _unsuccessful_search(n: int) -> float:
    if n <= 2:
        return float(n - 1) if n == 2 else 0.0
    return float(2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n)
