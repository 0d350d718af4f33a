"""Charts over time: the score with its events, its drift, and the hours of the week."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from numpy.typing import NDArray

from edge_export.evaluation.metrics import spans
from edge_export.report.canvas import (
    ALARM,
    EVENT,
    HEAT,
    LIMIT,
    MUTED,
    SERIES,
    WIDE,
    days,
    drawn,
    plain,
)
from edge_export.report.material import Story

__all__ = ["drift", "score", "week"]

COLUMNS = 1_200  # of a chart: more samples than that are drawn as their highest and lowest
DAY_NS = 86_400 * 10**9
HOUR_NS = 3_600 * 10**9
MONDAY_NS = 3 * DAY_NS  # the epoch began on a Thursday
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def score(story: Story) -> str:
    """Score by threshold over time, with labelled events and alarms."""
    label = f"Score of {story.device} over time, with events and alarms"
    with drawn(label, size=(WIDE, 1.9)) as sheet:
        axes = sheet.first
        _marked(axes, story, story.label, _Mark(EVENT, 0.0, 0.93, 0.28, "labelled by an operator"))
        _marked(axes, story, story.standing, _Mark(ALARM, 0.94, 1.0, 0.95, "alarm stands"))
        t_ns, ratio = _thinned(story.t_ns, story.ratio)
        axes.plot(days(t_ns), np.maximum(ratio, 1e-3), color=SERIES[0], linewidth=0.8)
        axes.axhline(1, color=LIMIT, linewidth=1.1, label="threshold")
        axes.set_yscale("log")
        plain(axes.yaxis)
        highest = float(np.max(ratio, initial=2.0))
        axes.set_ylim(max(0.02, float(np.quantile(ratio, 0.01)) / 2), 1.6 * highest)
        axes.set_ylabel("score / threshold")
        if not story.judged.all() and story.judged.any():
            border = float(days(story.t_ns[story.judged][:1])[0])
            axes.axvline(border, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
            axes.annotate(
                " calibrated on what is left of here",
                (border, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 2),
                textcoords="offset points",
                color=MUTED,
                fontsize=7.5,
            )
        axes.set_title(f"{story.device}, {_range(story.t_ns)}")
        _dated(axes)
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.22), ncols=3)
    return sheet.svg


def drift(story: Story) -> str:
    """Middle and upper scores day by day: whether what is usual moves."""
    label = f"Daily median and 95th percentile of the score of {story.device}"
    day = story.t_ns // DAY_NS
    days_there = np.unique(day)
    rows = [story.ratio[day == d] for d in days_there]
    at = days_there + 0.5  # noon
    with drawn(label, size=(WIDE, 1.7)) as sheet:
        axes = sheet.first
        for share, color, name in (
            (0.95, SERIES[1], "95th percentile"),
            (0.5, SERIES[0], "median"),
        ):
            level = [max(1e-3, float(np.quantile(row, share))) for row in rows]
            axes.plot(at, level, color=color, marker=".", markersize=3, label=name)
        axes.axhline(1, color=LIMIT, linewidth=1.1)
        axes.set_yscale("log")
        plain(axes.yaxis)
        axes.set_ylabel("score / threshold")
        axes.set_title(f"{story.device}, a point a day, {_range(story.t_ns)}")
        _dated(axes)
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.25), ncols=2)
    return sheet.svg


def week(story: Story, offset_minutes: int) -> str:
    """Median of score / threshold by hour of the day and day of the week."""
    local = story.t_ns - 1 + offset_minutes * 60 * 10**9 + MONDAY_NS
    hour = local % (7 * DAY_NS) // HOUR_NS
    level = np.full(168, np.nan)
    for h in np.unique(hour):
        level[h] = np.median(story.ratio[hour == h])
    label = f"Usual score of {story.device} by hour and weekday"
    with drawn(label, size=(WIDE, 2.2)) as sheet:
        axes = sheet.first
        picture = axes.imshow(
            level.reshape(7, 24), aspect="auto", cmap=HEAT, interpolation="nearest", vmin=0
        )
        axes.grid(visible=False)
        axes.set_yticks(range(7), WEEKDAYS)
        axes.set_xticks(range(0, 24, 3), [f"{h:02d}:00" for h in range(0, 24, 3)])
        axes.set_title(story.device)
        bar = sheet.figure.colorbar(picture, ax=axes, pad=0.01)
        bar.outline.set_visible(False)
        bar.set_label("median score / threshold", color=MUTED)
    return sheet.svg


class _Mark(NamedTuple):
    """How stretches of time are marked."""

    color: str
    low: float  # share of the chart's height
    high: float
    alpha: float
    name: str


def _marked(axes: Axes, story: Story, flags: NDArray[np.bool_] | None, mark: _Mark) -> None:
    """Mark stretches of time; only the first gets the name."""
    if flags is None:
        return
    for i, (first, after) in enumerate(spans(flags).tolist()):
        start, end = days(story.t_ns[[first, after - 1]]).tolist()
        axes.axvspan(
            start,
            end,
            mark.low,
            mark.high,
            color=mark.color,
            alpha=mark.alpha,
            linewidth=1.0,  # a short one is still seen
            label=None if i else mark.name,
        )


def _thinned(
    t_ns: NDArray[np.int64], values: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Highest and lowest of each column of the chart, in time order."""
    if t_ns.size <= 2 * COLUMNS:
        return t_ns, values
    kept = []
    for part in np.array_split(np.arange(t_ns.size), COLUMNS):
        kept += sorted({int(part[values[part].argmin()]), int(part[values[part].argmax()])})
    return t_ns[kept], values[kept]


def _dated(axes: Axes) -> None:
    axes.xaxis_date()
    locator = AutoDateLocator(minticks=3, maxticks=12)  # type: ignore[no-untyped-call] # matplotlib's own gap
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call] # likewise
    axes.margins(x=0.005)


def _range(t_ns: NDArray[np.int64]) -> str:
    first, last = (str(np.datetime64(int(t), "ns"))[:10] for t in (t_ns[0], t_ns[-1]))
    return first if first == last else f"{first} to {last}"
