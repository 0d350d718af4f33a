"""What to expect of a bundle and what not, in words that a shift leader reads."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from edge_export.calibration.rates import rate
from edge_export.evaluation.metrics import spans
from edge_export.report.charts_data import human_time
from edge_export.report.material import Material, Story

__all__ = ["beware", "expect"]

DAY_NS = 86_400 * 10**9
WEEK_DAYS = 7
POOR = 0.5  # of the variance left unexplained


def expect(material: Material) -> Iterator[str]:
    """What the figures promise."""
    manifest, stories = material.manifest, material.stories
    devices = len(manifest.devices)
    yield (
        f"It watches {len(manifest.signals)} signals of {devices} "
        f"{'machine' if devices == 1 else 'machines'} and gives a verdict every "
        f"{human_time(manifest.period_ns * manifest.branches[0].hop)}, looking back "
        f"{human_time(manifest.period_ns * max(b.window for b in manifest.branches))}."
    )
    yield from _events(material)
    quiet = [_quiet(story, calibrated=True) for story in stories]
    alarms, days = sum(a for a, _ in quiet), sum(d for _, d in quiet)
    if days > 0:
        yield (
            f"In the healthy time that its thresholds come from it would have raised "
            f"{rate(alarms, days)}, counted per machine. That flatters it: the thresholds were "
            "set on this very time."
        )
    later = [_quiet(story, calibrated=False) for story in stories]
    alarms, days = sum(a for a, _ in later), sum(d for _, d in later)
    if days > 0:
        told = "outside the labelled events" if material.evaluation else "that nobody labelled"
        yield (
            f"In the time after that, {told}, it raised {rate(alarms, days)}, counted per "
            "machine. This is what to expect on the shop floor."
        )


def beware(material: Material) -> Iterator[str]:
    """What they do not promise."""
    manifest = material.manifest
    if material.train:
        first = min(int(r.t_ns[0]) for r in material.train)
        last = max(int(r.t_ns[-1]) for r in material.train)
        length = (last - first) / DAY_NS
        yield (
            f"It has seen {_date(first)} to {_date(last)} ({human_time(float(last - first))}). "
            "What did not happen then, a season, a product, a mode, is unusual to it."
        )
        if length < WEEK_DAYS:
            yield "It has not seen a whole week: weekends or night shifts may alarm at first."
    still = _still(material)
    if still:
        shown = ", ".join(still[:5]) + (" ..." if len(still) > 5 else "")  # noqa: PLR2004 - enough to see
        yield (
            f"{len(still)} signals hardly moved in the time it learnt from ({shown}): their first "
            "real movement will look like a fault."
        )
    unexplained = manifest.provenance.metrics.get("unexplained")
    if unexplained is not None and unexplained > POOR:
        yield (
            f"The model leaves {unexplained:.0%} of the healthy variance unexplained: it knows "
            "levels and spreads better than how signals belong together."
        )
    yield from _drifting(material)
    if material.evaluation is None:
        yield (
            "Nobody has told it which events were real: how many faults it finds is not known. "
            "Label a few and run `edge-export evaluate`."
        )
    else:
        yield from material.evaluation.warnings
    yield (
        "A signal that is stuck at a usual value, or a fault that leaves every watched signal "
        "usual, is not seen by any model of this kind."
    )


def _events(material: Material) -> Iterator[str]:
    found = material.evaluation
    if found is None:
        return
    figures = [found.figures[device, found.family] for device in found.devices]
    events, detected = (int(sum(f[key] for f in figures)) for key in ("events", "detected"))
    delays = [f["delay_s"] for f in figures if np.isfinite(f["delay_s"])]
    late = f", half of them within {human_time(np.median(delays) * 1e9)}" if delays else ""
    yield f"Of {events} labelled events it told {detected}{late}."
    if any("hit_top1" in f for f in figures):
        hit = found.mean(found.family, "hit_top1")
        chance = found.mean("random", "hit_top1")
        yield (
            f"The signal it blamed first was one of the true causes in {hit:.0%} of the events "
            f"(by chance: {chance:.0%})."
        )


def _quiet(story: Story, *, calibrated: bool) -> tuple[int, float]:
    """Alarms outside labelled events, and days, in one part of a device's time."""
    part = story.judged != calibrated
    if story.label is not None:
        part &= ~story.label
    if not part.any():
        return 0, 0.0
    period_ns = float(np.median(np.diff(story.t_ns))) if story.t_ns.size > 1 else 0.0
    raised = [
        first
        for first, after in spans(story.standing).tolist()
        if part[first] and (story.label is None or not story.label[first:after].any())
    ]
    return len(raised), float(part.sum() * period_ns / DAY_NS)


def _still(material: Material) -> list[str]:
    """Signals that take a single value in the training time of some device."""
    found = []
    for recording in material.train:
        span = np.nanmax(recording.values, axis=0) - np.nanmin(recording.values, axis=0)
        found += [name for name, width in zip(recording.signals, span, strict=True) if width == 0]
    return sorted(set(found))


def _drifting(material: Material) -> Iterator[str]:
    for story in material.stories:
        before, after = story.ratio[~story.judged], story.ratio[story.judged]
        if before.size and after.size:
            rise = float(np.median(after) / max(1e-9, float(np.median(before))))
            if rise > 2:  # noqa: PLR2004 - twice as high in the middle is no accident
                yield (
                    f"{story.device}: the usual score after training is {rise:.1f} times that of "
                    "the calibration time. What is normal has moved; a drift-following threshold "
                    "or training anew on newer time is due."
                )


def _date(t_ns: int) -> str:
    return f"{datetime.fromtimestamp(t_ns / 1e9, UTC):%Y-%m-%d}"
