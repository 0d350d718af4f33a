"""Every figure of one detector on one device."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.alarms.decision import Hysteresis
from edge_anomaly.files.config import Alarms
from edge_export.data.recordings import Recording, Windows
from edge_export.evaluation import metrics
from edge_export.evaluation.detectors import Scored
from edge_export.evaluation.results import Figures, Setting
from edge_export.evaluation.rootcause import Hits, chance, hits
from edge_export.evaluation.vus import vus_pr

__all__ = ["blame", "figures", "standing"]

Flags = NDArray[np.bool_]


def figures(scored: Scored, label: Flags, later: Flags, step_s: float, setting: Setting) -> Figures:
    """Every measure of one detector on one device's windows, those of the test being `later`."""
    label, score = label[later], scored.score[later].astype(np.float64)
    deployed = metrics.at_threshold(
        label, standing(scored, setting.alarms)[later], period_s=step_s, gap=1
    )
    pointwise = metrics.at_threshold(label, scored.ratio[later] > 1, period_s=step_s)
    return {
        "ap": metrics.average_precision(label, score),
        "vus_pr": vus_pr(label, score, setting.buffer),
        **_deployed(deployed),
        **{f"pointwise_{key}": value for key, value in _deployed(pointwise).items()},
        "best_f1": metrics.best_f1(label, score),
        "pa_f1": metrics.point_adjusted_f1(label, score),
    }


def standing(scored: Scored, rules: Alarms) -> Flags:
    """Whether the agent's alarm stands after each of a device's windows, (N,)."""
    machine = Hysteresis(rules)
    stands = np.zeros(scored.ratio.size, np.bool_)
    for i, ratio in enumerate(scored.ratio.tolist()):
        machine.step(ratio, t_ns=i)
        stands[i] = machine.active
    return stands


def _deployed(found: metrics.Deployed) -> Figures:
    return {
        "events": found.events,
        "detected": found.detected,
        "recall": found.recall,
        "precision": found.precision,
        "event_f1": found.f1,
        "episodes": found.episodes,
        "false_alarms_per_day": found.false_per_day,
        "alarm_rate": found.alarm_rate,
        "detection_rate": found.detection_rate,
        "false_alarm_rate": found.false_alarm_rate,
        "points_f1": found.points_f1,
        "delay_s": found.delay_s,
    }


def blame(
    name: str, scored: Scored, seen: Windows, test: Sequence[Recording], period_ns: int
) -> Figures:
    """Mean root-cause hits over the events whose causes are known, where a detector can tell."""
    found: list[Hits] = []
    for recording in test:
        for cause in recording.causes or ():
            blamed = np.isin(recording.signals, cause.signals)
            inside = (seen.slot * period_ns < cause.end_ns) & (
                (seen.slot + 1) * period_ns > cause.start_ns
            )
            if name == "random":
                found.append(chance(blamed.size, int(blamed.sum())))
            elif scored.deviation is not None and inside.any():
                found.append(hits(scored.deviation[inside], blamed))
    if not found:
        return {}
    return {key: fmean(asdict(h)[key] for h in found) for key in asdict(found[0])}
