"""Charts of the model: how it learnt, what it makes of health and trouble, whom it blames."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_export.report.canvas import (
    ALARM,
    EVENT,
    HEAT,
    INK,
    LIMIT,
    MUTED,
    SERIES,
    WIDE,
    drawn,
    plain,
)
from edge_export.report.material import Latent, Story
from edge_kernels import dtw_path

__all__ = ["contributions", "distributions", "elastic", "latent", "training"]

BARS = 10  # signals shown of many
BINS = 60


def training(curves: Mapping[str, NDArray[np.float64]]) -> str:
    """Loss by epoch."""
    with drawn("Loss by epoch", size=(WIDE, 2.4)) as sheet:
        axes = sheet.first
        for color, (name, loss) in zip(SERIES * 9, curves.items(), strict=False):
            axes.plot(np.arange(loss.size), loss, color=color, marker="o", markersize=3, label=name)
        if all((loss > 0).all() for loss in curves.values()):
            axes.set_yscale("log")
            plain(axes.yaxis)
        axes.set_xlabel("epoch (0: before training)")
        axes.set_ylabel("loss")
        axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg] # MaxNLocator's
        axes.legend(loc="upper right")
    return sheet.svg


def distributions(stories: Sequence[Story]) -> str:
    """How often which score comes: calibration time, what followed, and labelled events."""
    columns = min(3, len(stories))
    rows = -(-len(stories) // columns)
    size = (WIDE, 0.5 + 1.7 * rows)
    with drawn("Score distributions", rows=rows, columns=columns, size=size) as sheet:
        for axes, story in zip(sheet.axes.ravel(), stories, strict=False):
            ratio = np.clip(story.ratio, 1e-2, None)
            bins = np.geomspace(max(1e-2, ratio.min()), max(2.0, ratio.max()) * 1.01, BINS)
            bad = np.zeros(ratio.size, np.bool_) if story.label is None else story.label
            parts = (
                (~story.judged, SERIES[0], "calibration"),
                (story.judged & ~bad, MUTED, "later, not labelled"),
                (story.judged & bad, EVENT, "labelled"),
            )
            for rows_of, color, name in parts:
                if rows_of.any():
                    weights = np.full(int(rows_of.sum()), 100 / rows_of.sum())
                    axes.hist(
                        ratio[rows_of],
                        bins=bins,
                        weights=weights,
                        histtype="step",
                        color=color,
                        linewidth=1.3,
                        label=name,
                    )
            axes.axvline(1, color=LIMIT, linewidth=1.1)
            axes.set_xscale("log")
            plain(axes.xaxis)
            axes.set_title(story.device)
        for axes in sheet.axes.ravel()[len(stories) :]:
            axes.set_visible(False)
        for axes in sheet.axes[:, 0]:
            axes.set_ylabel("% of windows")
        handles, names = sheet.first.get_legend_handles_labels()
        sheet.figure.legend(handles, names, loc="outside upper right", ncols=3)
        sheet.figure.supxlabel("score / threshold", fontsize=9, color=MUTED)
    return sheet.svg


def contributions(signals: Sequence[str], deviation: NDArray[np.floating], title: str) -> str:
    """The signals that an alarm blames, by their share of the deviation.

    Args:
        signals: C names.
        deviation: Of the alarm's windows, (n, C).
        title: Which alarm.
    """
    mean = np.maximum(deviation.mean(axis=0), 0)
    share = 100 * mean / max(1e-12, float(mean.sum()))
    order = np.argsort(-share)[:BARS][::-1]
    with drawn(f"Contributions: {title}", size=(WIDE / 2, 0.6 + 0.22 * order.size)) as sheet:
        axes = sheet.first
        axes.barh(np.arange(order.size), share[order], color=ALARM, height=0.68)
        axes.set_yticks(np.arange(order.size), [signals[i] for i in order])
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("% of the deviation")
        axes.set_title(title)
    return sheet.svg


def elastic(
    observed: NDArray[np.floating], expected: NDArray[np.floating], signal: str, radius: int
) -> str:
    """Cost of matching each observed with each expected step, and the cheapest way through.

    A way off the diagonal is a shift in time; a dark patch on it is a wrong level.

    Args:
        observed: One signal through an alarm, shape (n,).
        expected: Likewise.
        signal: Its name.
        radius: How far in time a step may be matched.
    """
    x, y = (np.ascontiguousarray(part, np.float64) for part in (observed, expected))
    spread = max(1e-12, float(np.std(np.concatenate([x, y]))))
    distance, path, profile = dtw_path(x / spread, y / spread, radius)
    cost = np.abs(x[:, np.newaxis] - y[np.newaxis]) / spread
    n = np.arange(x.size)
    cost[np.abs(n[:, np.newaxis] - n) > radius] = np.nan
    with drawn(f"Warping of {signal} in an alarm", columns=2, size=(WIDE, 3.4)) as sheet:
        left, right = sheet.axes[0]
        left.imshow(cost.T, origin="lower", aspect="auto", cmap=HEAT, interpolation="nearest")
        if len(path):
            left.plot(path[:, 0], path[:, 1], color=INK, linewidth=1.2)
        left.grid(visible=False)
        left.set_xlabel("step observed")
        left.set_ylabel("step expected")
        left.set_title(f"cost of a match, cheapest way (DTW {distance:.3g})")
        right.plot(n, x, color=ALARM, label="observed")
        right.plot(n, y, color=SERIES[0], label="expected")
        if np.isfinite(profile).all() and profile.sum() > 0:
            blamed = profile >= 0.25 * profile.max()
            low = float(min(x.min(), y.min()))
            right.plot(
                n[blamed], np.full(int(blamed.sum()), low), "s", color=LIMIT, markersize=3,
                label="blamed",
            )  # fmt: skip
        right.set_title(signal)
        right.set_xlabel("step")
        right.legend(loc="best")
    return sheet.svg


def latent(found: Latent) -> str:
    """Windows as points: health forms clouds, and trouble lies beside them."""
    with drawn("Windows in two directions", size=(WIDE, 3.6)) as sheet:
        axes = sheet.first
        for rows, color, name, size in (
            (~found.unusual, SERIES[0], "below the threshold", 4),
            (found.unusual, ALARM, "above", 7),
        ):
            if rows.any():
                x, y = found.points[rows].T
                axes.scatter(x, y, s=size, color=color, linewidths=0, alpha=0.6, label=name)
        axes.set_title(f"{found.title}; {found.share:.0%} of the variance in sight")
        axes.set_xlabel("first direction")
        axes.set_ylabel("second direction")
        axes.legend(loc="best")
    return sheet.svg
