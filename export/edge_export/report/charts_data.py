"""Charts of the recordings: the rhythms that they hold and what their days look like."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from edge_export.data.recordings import Recording
from edge_export.report.canvas import LIMIT, MUTED, SERIES, WIDE, drawn, plain
from edge_kernels import dominant_periods, spectrum

__all__ = ["Days", "cluster_days", "daily_profiles", "human_time", "rhythms"]

DAY_NS = 86_400 * 10**9
MOST = 4  # kinds of days
FEWEST = 14  # days from which kinds are looked for
LONGEST = 60_000  # samples of a spectrum
PEAKS = 3
PARTS = 48  # of a day in a profile, at most

Days = tuple[NDArray[np.float64], NDArray[np.int64]]  # (D, parts) profiles, (D,) kinds


def rhythms(
    recording: Recording, signal: int, period_ns: int, windows: Sequence[int]
) -> tuple[str, list[float]] | None:
    """The spectrum of a signal with its strongest periods and the model's windows.

    Args:
        recording: What to look at.
        signal: Which of its signals.
        period_ns: Of the model's slots.
        windows: Of its branches, slots.

    Returns:
        The chart and the periods in samples, strongest first; None when the signal stands
        still or is too short to have any.
    """
    x = recording.values[-LONGEST:, signal].astype(np.float64)
    x = x[np.isfinite(x)]
    if x.size < 64 or x.std() < 1e-9 * max(1.0, abs(float(x.mean()))):  # noqa: PLR2004 - a spectrum of some length
        return None
    found = spectrum(x)
    peaks = dominant_periods(found, PEAKS)
    name = f"{recording.device}, {recording.signals[signal]}"
    with drawn(f"Spectrum of {name}", size=(WIDE / 2, 2.4)) as sheet:
        axes = sheet.first
        axes.plot(found.period, 100 * found.power, color=SERIES[0], linewidth=0.8)
        for peak in peaks:
            axes.axvline(peak, color=LIMIT, linewidth=0.9, linestyle=(0, (2, 2)))
            axes.annotate(
                human_time(peak * period_ns),
                (peak, 0.97),
                xycoords=("data", "axes fraction"),
                xytext=(3, -6),
                textcoords="offset points",
                fontsize=8,
            )
        for window in windows:
            axes.axvline(window, color=MUTED, linewidth=3, alpha=0.35)
        axes.set_xscale("log")
        plain(axes.xaxis)
        axes.set_xlabel("period, slots (grey: the model's windows)")
        axes.set_ylabel("% of the variance")
        axes.set_title(name)
    return sheet.svg, peaks


def cluster_days(recording: Recording, signal: int) -> Days | None:
    """A signal's days as profiles, and which of them are of one kind.

    K-means on profiles; as many kinds as separate best (silhouette).

    Returns:
        None when there are fewer than FEWEST whole days or they are all alike.
    """
    t_ns, x = recording.t_ns, recording.values[:, signal].astype(np.float64)
    step_ns = int(np.median(np.diff(t_ns))) if t_ns.size > 1 else DAY_NS
    parts = min(PARTS, DAY_NS // max(1, step_ns))
    if parts < 4 or t_ns[-1] - t_ns[0] < FEWEST * DAY_NS:  # noqa: PLR2004 - a day of no shape
        return None
    kept = np.isfinite(x)
    day = t_ns[kept] // DAY_NS
    part = t_ns[kept] % DAY_NS * parts // DAY_NS
    row = day - day.min()
    shape = (int(row.max()) + 1, parts)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (row, part), x[kept])
    np.add.at(count, (row, part), 1)
    whole = (count > 0).all(axis=1)
    profiles = total[whole] / count[whole]
    if len(profiles) < FEWEST or np.ptp(profiles) == 0:
        return None
    best: Days | None = None
    highest = 0.1  # a silhouette below it separates nothing
    for kinds in range(2, MOST + 1):
        kind = KMeans(kinds, n_init=4, random_state=0).fit_predict(profiles)
        if len(np.unique(kind)) == kinds:
            found = float(silhouette_score(profiles, kind))
            if found > highest:
                best, highest = (profiles, kind.astype(np.int64)), found
    return best or (profiles, np.zeros(len(profiles), np.int64))


def daily_profiles(days: Days, title: str) -> str:
    """The median of each kind of day, with the middle half of its days."""
    profiles, kind = days
    hours = (np.arange(profiles.shape[1]) + 0.5) * 24 / profiles.shape[1]
    with drawn(f"Kinds of days: {title}", size=(WIDE / 2, 2.4)) as sheet:
        axes = sheet.first
        for k, color in zip(np.unique(kind), SERIES, strict=False):
            mine = profiles[kind == k]
            low, middle, high = np.quantile(mine, [0.25, 0.5, 0.75], axis=0)
            axes.fill_between(hours, low, high, color=color, alpha=0.2, linewidth=0)
            axes.plot(hours, middle, color=color, label=f"{len(mine)} days")
        axes.set_xlim(0, 24)
        axes.set_xticks(range(0, 25, 6), [f"{h:02d}:00" for h in range(0, 25, 6)])
        axes.set_title(title)
        axes.legend(loc="best")
    return sheet.svg


def human_time(ns: float) -> str:
    """A time in the unit that people would use."""
    for size, unit in ((86_400e9, "d"), (3_600e9, "h"), (60e9, "min"), (1e9, "s"), (1e6, "ms")):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e3:.3g} us"
