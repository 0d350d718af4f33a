"""The sections of a page, each from the material it shows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from edge_export.evaluation import scoreboard
from edge_export.report import charts_data, charts_model, charts_time
from edge_export.report.charts_data import human_time
from edge_export.report.material import Material, Story
from edge_export.report.parts import Chart, Grid, Row, Section
from edge_export.report.words import beware, expect

__all__ = ["sections"]

SHOWN = 8  # devices with charts of their own
ALARMS = 8  # alarms in the table
BLAMED = 4  # alarms whose contributions are drawn
AROUND = 48  # windows of an alarm whose course is warped
BAND = 4  # windows that a course may be shifted by


def sections(material: Material) -> Iterator[Section]:
    """Those for which there is something to show, in the order of the page."""
    yield Section("expect", "what to expect", "What to expect", points=list(expect(material)))
    yield Section("beware", "what not", "What not to expect", points=list(beware(material)))
    makers = (
        _over_time,
        _alarms,
        _elastic,
        _beside,
        _distributions,
        _training,
        _latent,
        _rhythms,
        _week,
        _drift,
    )
    for make in makers:
        section = make(material)
        if section is not None:
            yield section


def _over_time(material: Material) -> Section:
    drawn = [Chart(charts_time.score(story)) for story in material.stories]
    return Section(
        "score",
        "score",
        "The score over time",
        "Score by threshold: above the red line the agent counts towards an alarm. Stretches "
        "labelled by an operator are shaded; the strip on top shows when the agent's alarm stood.",
        charts=drawn[:SHOWN],
        more=drawn[SHOWN:],
    )


def _alarms(material: Material) -> Section:
    strongest = sorted(_each_alarm(material), key=lambda alarm: -alarm.peak)
    if not strongest:
        return Section(
            "alarms", "alarms", "Alarms and whom they blame", "No alarm was raised in this time."
        )
    signals = material.signals
    rows = []
    for alarm in strongest[:ALARMS]:
        mean = alarm.story.deviation[alarm.first : alarm.after].mean(axis=0)
        order = np.argsort(-mean)[:3]
        blamed = ", ".join(f"{signals[i]} {mean[i] / max(1e-12, mean.sum()):.0%}" for i in order)
        length = (alarm.after - alarm.first) * material.manifest.period_ns
        start = np.datetime64(int(alarm.story.t_ns[alarm.first]), "ns")
        cells = [
            alarm.story.device,
            str(start)[:16].replace("T", " "),
            human_time(length * material.manifest.branches[0].hop),
            f"{alarm.peak:.2f}",
            alarm.verdict,
            blamed,
        ]
        rows.append(Row(cells))
    table = Grid(
        f"The {len(rows)} strongest of {len(strongest)} alarms",
        ["machine", "since", "for", "peak score / threshold", "labelled", "signals blamed"],
        rows,
    )
    drawn = [
        Chart(
            charts_model.contributions(
                signals,
                alarm.story.deviation[alarm.first : alarm.after],
                f"{alarm.story.device}, {row.cells[1]}",
            ),
            half=True,
        )
        for alarm, row in zip(strongest[:BLAMED], rows, strict=False)
    ]
    return Section("alarms", "alarms", "Alarms and whom they blame", tables=[table], charts=drawn)


class _Alarm(NamedTuple):
    story: Story
    first: int
    after: int

    @property
    def peak(self) -> float:
        return float(self.story.ratio[self.first : self.after].max())

    @property
    def verdict(self) -> str:
        if self.story.label is None:
            return "nobody looked"
        return "yes" if self.story.label[self.first : self.after].any() else "no"


def _each_alarm(material: Material) -> Iterator[_Alarm]:
    for story in material.stories:
        for first, after in story.alarms.tolist():
            yield _Alarm(story, first, after)


def _elastic(material: Material) -> Section | None:
    alarms = sorted(_each_alarm(material), key=lambda alarm: -alarm.peak)
    for alarm in alarms:
        story = alarm.story
        signal = int(story.deviation[alarm.first : alarm.after].mean(axis=0).argmax())
        peak = alarm.first + int(story.ratio[alarm.first : alarm.after].argmax())
        first = max(0, peak - AROUND // 2)
        rows = slice(first, first + AROUND)
        observed, expected = story.observed[rows, signal], story.expected[rows, signal]
        if observed.size < AROUND or not (np.isfinite(observed) & np.isfinite(expected)).all():
            continue
        when = str(np.datetime64(int(story.t_ns[peak]), "ns"))[:16].replace("T", " ")
        return Section(
            "warping",
            "warping",
            "An alarm from close by",
            f"{story.device} around {when}: what was observed against what the model expected, "
            "each step matched with each within the band. A way beside the diagonal is a shift "
            "in time, costs on the diagonal are a wrong level.",
            charts=[
                Chart(charts_model.elastic(observed, expected, material.signals[signal], BAND))
            ],
        )
    return None


def _beside(material: Material) -> Section | None:
    found = material.evaluation
    if found is None:
        return None
    tables = []
    for title, columns in (
        (f"Mean of {len(found.devices)} machines", scoreboard.COLUMNS),
        ("Root cause: signals ranked by deviation within an event", scoreboard.ROOT_CAUSE),
    ):
        if not any(key in figures for figures in found.figures.values() for key in columns):
            continue
        heads, rows = scoreboard.cells(found, scoreboard.MEAN, columns)
        tables.append(
            Grid(title, heads, [Row([name, *row], name == found.family) for name, row in rows])
        )
    return Section(
        "beside",
        "beside others",
        "Beside simple rivals",
        "Every row but iforest, random and always went through the same score recipe: it differs "
        "by its model alone. Best F1 picks its threshold by the labels, which no plant has; "
        "point-adjusted F1 is what papers print: see what random gets.",
        tables=tables,
    )


def _distributions(material: Material) -> Section:
    return Section(
        "spread",
        "distributions",
        "How the score is spread",
        "What lies right of the red line counts towards an alarm. The calibration time set it; "
        "if the later healthy time lies further right, what is usual has moved.",
        charts=[Chart(charts_model.distributions(material.stories[:SHOWN]))],
    )


def _training(material: Material) -> Section | None:
    if not material.curves:
        return None
    return Section(
        "training",
        "training",
        "How it learnt",
        "Loss on time that nothing was learnt from: it must fall and level out. Where it rises "
        "again the model has begun to learn its recordings by heart.",
        charts=[Chart(charts_model.training(material.curves))],
    )


def _latent(material: Material) -> Section | None:
    if material.latent is None:
        return None
    return Section(
        "latent",
        "latent picture",
        "Windows as points",
        "Healthy windows lie close together; where those above the threshold lie apart from them, "
        "the model tells trouble from health by more than size.",
        charts=[Chart(charts_model.latent(material.latent))],
    )


def _rhythms(material: Material) -> Section | None:
    manifest, chief = material.manifest, material.chief
    windows = [branch.window for branch in manifest.branches]
    drawn, said = [], []
    for recording in material.train[:2]:
        found = charts_data.rhythms(recording, chief, manifest.period_ns, windows)
        if found is not None:
            chart, peaks = found
            drawn.append(Chart(chart, half=True))
            if peaks:
                spans = ", ".join(human_time(peak * manifest.period_ns) for peak in peaks)
                said.append(f"{recording.device}, {material.signals[chief]}: {spans}")
        days = charts_data.cluster_days(recording, chief)
        if days is not None:
            title = f"{recording.device}, {material.signals[chief]}: kinds of days"
            drawn.append(Chart(charts_data.daily_profiles(days, title), half=True))
    if not drawn:
        return None
    return Section(
        "rhythms",
        "rhythms",
        "Periods and kinds of days",
        "Of the signal that deviates most, in the time learnt from. A rhythm much longer than the "
        "model's windows is one that it cannot know.",
        points=said,
        charts=drawn,
    )


def _week(material: Material) -> Section | None:
    week_ns = 7 * 24 * 3600 * 10**9
    drawn = [
        Chart(charts_time.week(story, material.manifest.utc_offset_minutes))
        for story in material.stories
        if story.t_ns[-1] - story.t_ns[0] >= week_ns
    ]
    if not drawn:
        return None
    return Section(
        "week",
        "hours and weekdays",
        "Hours of the week",
        "Where the usual score stands high at fixed hours, a threshold by hour of the week "
        "(`edge-export calibrate --rule hour-of-week`) gives fewer false alarms.",
        charts=drawn[:2],
        more=drawn[2:SHOWN],
    )


def _drift(material: Material) -> Section | None:
    day_ns = 24 * 3600 * 10**9
    drawn = [
        Chart(charts_time.drift(story))
        for story in material.stories
        if story.t_ns[-1] - story.t_ns[0] >= 2 * day_ns
    ]
    if not drawn:
        return None
    return Section(
        "drift",
        "drift",
        "Drift of the score",
        "A median that climbs towards the red line is a plant that has moved away from what was "
        "learnt: follow it (`--rule drift`) or train anew.",
        charts=drawn[:2],
        more=drawn[2:SHOWN],
    )
