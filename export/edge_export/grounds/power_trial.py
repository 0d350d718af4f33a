"""What a bundle finds among injected faults of a load, by the rules of the power tables.

Scores are causal: a slot's is that of the window that ends there. An alarm is two slots or more
above the threshold, with up to four quiet ones in between; it is right where it meets a fault or
the two hours after one, and counts neither way where it meets a slot that no figure looks at. A
ceiling to remember: 8 faults in 162 days are .049 a day, so that at .1 false alarms a day no
precision exceeds a third.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Model
from edge_export.calibration.rules import BUDGET, Rule
from edge_export.data.recordings import Recording, Slicing, windows
from edge_export.evaluation import metrics
from edge_export.evaluation.detectors import by_bundle
from edge_export.evaluation.vus import vus_pr
from edge_export.grounds.power import DAY, TEST, PowerGround
from edge_export.grounds.power_faults import Fault, inject

__all__ = ["BUFFER", "Outcome", "alarms", "judge", "scores", "trials"]

BUFFER = 96  # slots: a day
SHORTEST, GAP = 2, 4  # slots of an alarm; quiet ones within it
SLACK = 8  # slots after a fault in which an alarm is still right
FEW = 1e-9  # below every score: no window ends there

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Spans = NDArray[np.int64]
START = TEST.start * DAY


@dataclass(frozen=True)
class Outcome:
    """Figures of one seed; those at a threshold are those of alarms by `budget`."""

    seed: int
    ap: float
    vus_pr: float
    best_f1: float
    budget: float  # alarms a day that the healthy days were allowed
    event_f1: float
    event_recall: float
    event_precision: float
    false_alarms_per_day: float
    found: dict[str, bool]  # by kind of fault

    def rows(self) -> dict[str, float]:
        """All figures by name; of a kind, `recall_<kind>`."""
        names = (
            "ap",
            "vus_pr",
            "best_f1",
            "event_f1",
            "event_recall",
            "event_precision",
            "false_alarms_per_day",
        )
        return {name: getattr(self, name) for name in names} | {
            f"recall_{kind}": float(hit) for kind, hit in self.found.items()
        }


def trials(
    bundle: Bundle,
    model: Model,
    ground: PowerGround,
    seeds: Sequence[int],
    budgets: Sequence[float],
) -> Iterator[Outcome]:
    """Faults of every seed against thresholds of every budget.

    The first budget's threshold is the bundle's own where that is its rule.

    Args:
        bundle: Trained on the days before `TEST`.
        model: Its graphs, loaded.
        ground: The year.
        seeds: Of the faults.
        budgets: Alarms a day in healthy time.
    """
    rule = bundle.manifest.threshold
    step_ns = bundle.manifest.period_ns
    healthy = scores(bundle, model, ground.recording)[START - 100 * DAY : START]
    thresholds = [
        float(bundle.calibration["threshold"][0])
        if (rule.rule, rule.parameter) == (BUDGET, budget)
        else Rule(BUDGET, budget).threshold(healthy.astype(np.float32), step_ns)
        for budget in budgets
    ]
    for seed in seeds:
        year = inject(ground, seed)
        found = scores(bundle, model, year.recording)
        labels = year.recording.labels
        if labels is None:
            raise ValueError("a faulty year has labels")
        for budget, threshold in zip(budgets, thresholds, strict=True):
            yield judge(ground, labels, year.faults, found, (seed, budget, threshold))


def judge(
    ground: PowerGround,
    labels: Flags,
    faults: Sequence[Fault],
    score: Floats,
    by: tuple[int, float, float],
) -> Outcome:
    """Figures over the test days.

    Args:
        ground: Which slots do not count.
        labels: Of the whole year, (n,).
        faults: What was injected.
        score: Of the whole year, (n,).
        by: Seed, budget and threshold.
    """
    seed, budget, threshold = by
    counted = ~ground.ignored[START:]
    label, tested = labels[START:][counted], score[START:][counted]
    alarm = alarms(score[START:] > threshold) + START
    met = [[_meets(span, fault) for fault in faults] for span in alarm]
    right = sum(any(row) for row in met)
    wrong = sum(
        not any(row) and not ground.ignored[slice(*span)].any()
        for row, span in zip(met, alarm, strict=True)
    )
    hit = [any(row[i] for row in met) for i in range(len(faults))]
    recall = float(np.mean(hit))
    precision = right / (right + wrong) if right + wrong else 0.0
    total = recall + precision
    return Outcome(
        seed=seed,
        ap=metrics.average_precision(label, tested),
        vus_pr=vus_pr(label, tested, BUFFER),
        best_f1=metrics.best_f1(label, tested),
        budget=budget,
        event_f1=2 * recall * precision / total if total else 0.0,
        event_recall=recall,
        event_precision=precision,
        false_alarms_per_day=wrong / len(TEST),
        found={str(fault.kind): bool(was) for fault, was in zip(faults, hit, strict=True)},
    )


def alarms(above: Flags) -> Spans:
    """Alarms of a row of slots: first slot and the one after the last, (E, 2)."""
    found = metrics.episodes(above, GAP + 1)
    kept: Spans = found[found[:, 1] - found[:, 0] >= SHORTEST]
    return kept


def scores(bundle: Bundle, model: Model, recording: Recording) -> Floats:
    """The agent's own score of every slot of a year, (n,)."""
    manifest = bundle.manifest
    slicing = Slicing(bundle.window, manifest.period_ns, min_coverage=manifest.min_coverage)
    seen = windows([recording], slicing, manifest.devices, bundle.calibration["fill"])
    found = by_bundle(bundle, model, seen, np.zeros(1, np.int64))
    score = np.full(recording.t_ns.size, FEW)
    score[seen.slot - recording.t_ns[0] // manifest.period_ns] = found.score
    return score


def _meets(span: NDArray[np.int64], fault: Fault) -> bool:
    return bool(span[0] < fault.end + SLACK and span[1] > fault.start)
