"""What the kernels compute, by definition: slow, obvious and never optimised."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GridDevice",
    "aeon_vus_pr",
    "dtw",
    "dtw_matrix",
    "event_counts",
    "isolation_score",
    "recent_energy",
    "rolling_median",
    "smooth",
    "vus_pr",
    "whiten",
]


# --- edge_export.evaluation: metrics and vus ---------------------------------------------


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


# --- edge_kernels.grid and edge_kernels.stages --------------------------------------


@dataclass
class GridDevice:
    """One device's time grid: every reading is kept and every window made from scratch."""

    signals: int
    window: int
    period: int
    lateness: int
    max_gap: int
    hop: int = 1
    fill: tuple[float, ...] = ()
    how: tuple[str, ...] = ()
    # slot and signal: time: value, uncertain
    cells: dict[tuple[int, int], dict[int, tuple[float, bool]]] = field(default_factory=dict)
    ended: dict[int, int] = field(default_factory=dict)  # by signal
    opened: int | None = None
    newest: int = 0
    arrived: int = 0
    behind: tuple[int, int] | None = None  # the first of the late ones in a row, its arrival
    lives: list["GridWindow"] = field(default_factory=list)

    def take(
        self,
        signal: int,
        t: int,
        value: float,
        arrived: int,
        max_future: int,
        *,
        uncertain: bool = False,
    ) -> str:
        if t > arrived + max_future:
            return "future"
        self.newest = t if self.opened is None else max(self.newest, t)
        watermark = (self.newest - self.lateness) // self.period
        self.opened = watermark if self.opened is None else max(self.opened, watermark)
        self.arrived = arrived
        slot = t // self.period
        if slot < self.opened:
            self.behind = self.behind or (t, arrived)
            span = max(self.window * self.period, self.max_gap)
            if t - self.behind[0] < span or arrived - self.behind[1] < span:
                return "late"
            self.lives = self.due()  # its clock was set back
            self.opened, self.newest, self.behind = (t - self.lateness) // self.period, t, None
            self.cells, self.ended = {(slot, signal): {t: (value, uncertain)}}, {}
            return "restarted"
        self.behind = None
        cell = self.cells.setdefault((slot, signal), {})
        # Of a signal whose last reading stands, only that one is remembered.
        if t == max(cell, default=None) or (t in cell and self._how(signal) != "last"):
            return "duplicate"
        if not (self._how(signal) == "last" and t < max(cell, default=t)):
            cell[t] = (value, uncertain)
        return "accepted"

    def end(self, signal: int) -> None:
        if self.opened is not None:
            self.ended[signal] = self.newest

    def expire(self, now: int) -> None:
        if self.opened is None:
            return
        silence = now - self.arrived
        passed = (self.newest + silence - self.lateness) // self.period
        latest = max(slot for slot, _ in self.cells)
        while self.opened <= latest:
            full = all((self.opened, c) in self.cells for c in range(self.signals))
            if not (full and silence >= self.lateness) and self.opened >= passed:
                return
            self.opened += 1

    def due(self) -> list["GridWindow"]:
        """Each window that has fallen due."""
        filled = sorted({slot for slot, _ in self.cells})
        hold = self.max_gap // self.period + 1
        reach = hold + self.window
        windows = list(self.lives)
        start, ends = None, 0  # of the history; slot that ends the next window
        for i, slot in enumerate(filled):
            gap = slot - filled[i - 1]
            alone = range(ends - min(self.window, self.hop) + 1, slot)
            if start is None or gap > reach + 1:
                start = slot
                ends = slot + (self.window - 1) % self.hop
            elif self.hop > 1 and gap > hold and not any(s in alone for s in filled):
                ends = slot + (self.window - 1) % self.hop
            end = min([slot + reach + 1, *filled[i + 1 : i + 2]])
            for s in range(slot, end):
                if self.opened is not None and s < self.opened and s == ends:
                    ends += self.hop
                    pause = s - slot >= self.window and s - slot > hold
                    if not (pause and 1 < self.hop >= self.window):
                        values, seen = self._look(s)
                        windows.append((s, values, s - start + 1 >= self.window, seen))
        return windows

    def _how(self, signal: int) -> str:
        return self.how[signal] if self.how else "last"

    def _cell(self, slot: int, signal: int) -> tuple[int, float, bool]:
        """Time, value and doubt of a cell that has readings."""
        cell = self.cells[slot, signal]
        values = [value for value, _ in cell.values()]
        how = self._how(signal)
        if how == "last":
            return max(cell), *cell[max(cell)]
        doubt = any(uncertain for _, uncertain in cell.values())
        value = {"mean": sum(values) / len(values), "min": min(values), "max": max(values)}[how]
        return max(cell), value, doubt

    def _look(self, slot: int) -> tuple[list[list[float]], float]:
        values, seen = [], 0
        for s in range(slot - self.window + 1, slot + 1):
            row = []
            for c in range(self.signals):
                past = [at for at, of in self.cells if of == c and at <= s]
                if not past:
                    row.append(self.fill[c])
                    continue
                t, value, uncertain = self._cell(max(past), c)
                row.append(value)
                over = c in self.ended and t <= self.ended[c] < s * self.period
                seen += s * self.period - t <= self.max_gap and not uncertain and not over
            values.append(row)
        return values, seen / (self.window * self.signals)


GridWindow = tuple[int, list[list[float]], bool, float]  # slot, values (W, C), warm, coverage


def whiten(
    residual: NDArray[np.float32], device: list[int], phi: NDArray[np.float32]
) -> NDArray[np.float64]:
    """r_t - phi * r_(t-1) with the device's own past; its first residual is its own past."""
    out = np.empty(residual.shape)
    for b, d in enumerate(device):
        past = [i for i in range(b) if device[i] == d]
        before = residual[past[-1]] if past else residual[b]
        out[b] = residual[b].astype(np.float64) - phi[d].astype(np.float64) * before
    return out


def recent_energy(
    sizes: NDArray[np.float32], device: list[int], alpha: float
) -> NDArray[np.float64]:
    """Exponentially weighted average of the squared excesses of the device so far."""
    out = np.empty(sizes.shape)
    for b, d in enumerate(device):
        past = [np.maximum(sizes[i].astype(np.float64), 0) for i in range(b + 1) if device[i] == d]
        average = past[0] ** 2
        for excess in past[1:]:
            average = (1 - alpha) * average + alpha * excess**2
        out[b] = average
    return out


def smooth(
    scores: NDArray[np.float32], device: list[int], scale: NDArray[np.float32], alpha: float
) -> NDArray[np.float64]:
    """The larger of score and exponentially weighted average, each over its own level."""
    out = np.empty(scores.shape)
    for b, d in enumerate(device):
        for track in range(scores.shape[1]):
            past = [float(scores[i, track]) for i in range(b + 1) if device[i] == d]
            average = past[0]
            for score in past[1:]:
                average = (1 - alpha) * average + alpha * score
            out[b, track] = max(past[-1] / scale[d, track, 0], average / scale[d, track, 1])
    return out


def span_features(
    residual: NDArray[np.float32], series: NDArray[np.float32], spans: list[int], floor: float
) -> NDArray[np.float64]:
    """Mean and logarithms of mean square, size, variance and step of each span's newest steps."""
    rows = []
    for r, x in zip(residual.astype(np.float64), series.astype(np.float64), strict=True):
        tracks = []
        for span in spans:
            track: list[float] = []
            for c in range(r.shape[1]):
                tail, steps = r[-span:, c], np.diff(x[-span:, c])
                track.append(tail.mean())
                sizes = (np.square(tail).mean(), np.abs(tail).mean(), tail.var())
                track.extend(np.log(size + floor) for size in (*sizes, np.abs(steps).mean()))
            tracks.append(track)
        rows.append(tracks)
    return np.array(rows)


def spectrum(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the variance of a mean-free series at 1, 2, ... n // 2 turns: by correlation."""
    turns = np.arange(1, x.size // 2 + 1)
    angle = 2 * np.pi * np.outer(turns, np.arange(x.size)) / x.size
    power = (np.cos(angle) @ x) ** 2 + (np.sin(angle) @ x) ** 2
    if x.size % 2 == 0:
        power[-1] /= 2
    share: NDArray[np.float64] = power / power.sum()
    return share


def rolling_median(values: list[float], length: int, stride: int = 1) -> list[float]:
    """Median of the newest `length` of every `stride`-th value, after each value."""
    out = []
    for n in range(1, len(values) + 1):
        kept = np.array(values[:n:stride], np.float32).astype(np.float64)[-length:]
        out.append(float(np.median(kept)))
    return out
