"""Bearings: simulated ones, a test rig's faults made faint, and two that ran until they failed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bearing_accuracy
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from accuracy.bundles import trained
from accuracy.cells import Cell
from accuracy.store import Row
from edge_anomaly.alarms.trend import BINS
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Alarms, Clear, Raise
from edge_anomaly.ports import Model
from edge_export.bundles.train import Plan
from edge_export.calibration.rules import Rule
from edge_export.data.datasets import cwru, ims, pronostia
from edge_export.data.recordings import Recording, Slicing, windows
from edge_export.evaluation import metrics
from edge_export.evaluation.detectors import Scored, by_bundle
from edge_export.evaluation.figures import standing

__all__ = ["Life", "generated", "run_cwru", "run_generator", "run_ims", "run_pronostia"]

# Detector of bench/bearing_accuracy.py: family and preset here.
GENERATOR = {
    "**vae default**": ("vae", "default"),
    "vae default, int8": ("vae", "int8"),
    "16 principal components": ("vae", "components"),
    "mean spectrum": ("vae", "mean"),
    "vae paper (waveforms)": ("vae", "paper"),
    "kurtosis of the band": ("band-kurtosis", "default"),
    "RMS": ("rms", "default"),
}
FIRST_SEED = 11  # of the generator
LEVELS_DB = (0, -6, -10, -15, -20)
CWRU_HOP = 128  # samples: five seconds of healthy time make few looks, so they overlap
# Five seconds are too few to calibrate single lines with: only the mean square is judged.
CWRU_SPLIT = {"windows": 8, "strongest": 0, "held_out": 0.5}
CWRU_RULE = Rule("quantile", 0.99)
# A life is short: six snapshots to a look, a look every snapshot; and thirteen seconds of held-out
# vibration are as few.
LIFE = {"windows": 14, "strongest": 0, "held_out": 0.15 / 0.35}
LINES = 8  # of the envelope, as by default
SIX_SIGMA = Rule("mean-std", 6.0)
PATIENT = Alarms(raise_=Raise(windows=12), clear=Clear(windows=12))
MID_LIFE = (0.35, 0.5)
IMS_MID_LIFE = (0.3, 0.6)
RIG_SPAN, IMS_SPAN = 0.5, 24.0  # hours of the `degrading` advisory: bench/trend_table.py
FEWEST = 10  # looks that a trend is drawn through
FEATURES = {
    "spectral": False, "segment": 1, "step": 1, "windows": 1, "strongest": 0, "held_out": 0.36,
    "layers": (64, 32), "latent": 8,
    "beta": 0.1,  # forty features, not thousands of lines: at 1 the latent says next to nothing
}  # fmt: skip


def run_generator(cell: Cell) -> Iterator[Row]:
    """Recall by level of damage, false positives and blame, of every detector of the table."""
    for found in bearing_accuracy.rows(FIRST_SEED + cell.seed):
        yield from generated(cell, found)


def generated(cell: Cell, found: bearing_accuracy.Row) -> Iterator[Row]:
    """A line of bench/results/bearings.ndjson as rows."""
    family, preset = GENERATOR[found.name]
    own = replace(cell, family=family, preset=preset)
    yield Row.of(own, "false_positive_rate", found.false)
    yield Row.of(own, "hit_top1", found.first)
    yield Row.of(own, "share", found.share)
    for level, recall in found.recall.items():
        yield Row.of(own, f"recall_{level}db", recall)


def run_cwru(cell: Cell) -> Iterator[Row]:
    """Recall of every fault, mixed into healthy samples at several levels."""
    (train,), (later, *faults) = cwru.load()
    plan = Plan(name="cwru", period_ns=cwru.PERIOD_NS, hop=CWRU_HOP)
    given = CWRU_SPLIT if cell.preset != "paper" else {"held_out": 0.5}
    with trained(cell, [train], CWRU_RULE, given=given, plan=plan) as (bundle, model, _):
        healthy = later.values[:, 0]
        yield Row.of(cell, "false_positive_rate", _share(bundle, model, healthy))
        for fault in faults:
            for level in LEVELS_DB:
                mixed = cwru.diluted(healthy, fault.values[:, 0], level)
                recall = _share(bundle, model, mixed)
                yield Row.of(replace(cell, entity=fault.device), f"recall_{level}db", recall)


def _share(bundle: Bundle, model: Model, samples: NDArray[np.float32]) -> float:
    """Of looks at these samples that lie above the threshold."""
    scored, _ = _scored(bundle, model, [cwru.as_recording(bundle.manifest.devices[0], samples)])
    return float((scored.ratio > 1).mean())


def run_pronostia(cell: Cell) -> Iterator[Row]:
    """Trend, lead and alarms of the bearing that is there; `lines_`: single lines count too."""
    train, test = pronostia.load(entities=["Bearing1_2"])
    whole = pronostia.snapshots("Bearing1_2")
    plan = Plan(name="pronostia", period_ns=pronostia.PERIOD_NS, hop=pronostia.SAMPLES)
    for prefix, given in (("", LIFE), ("lines_", {**LIFE, "strongest": LINES})):
        with trained(cell, train, SIX_SIGMA, given=given, plan=plan) as (bundle, model, _):
            scored, slot = _scored(bundle, model, [*train, *test])
            first = int(train[0].t_ns[0]) // bundle.manifest.period_ns
            snapshot = (slot - first) // pronostia.SAMPLES
            hours = whole.t_s[snapshot.clip(0, len(whole.t_s) - 1)] / 3600
            life = Life(hours, float(whole.t_s[-1]) / 3600, scored, MID_LIFE, RIG_SPAN)
            for row in life.rows(replace(cell, entity="Bearing1_2")):
                yield replace(row, metric=prefix + row.metric)


def run_ims(cell: Cell) -> Iterator[Row]:
    """The same of features, and whether the bearing that failed is blamed."""
    for name in ("test1", "test2"):
        train, test = ims.load(entities=[name])
        given = FEATURES if cell.family == "vae" else {"held_out": FEATURES["held_out"]}
        plan = Plan(name="ims", period_ns=ims.PERIOD_NS, smooth_minutes=60.0)
        with trained(cell, train, SIX_SIGMA, given=given, plan=plan) as (bundle, model, _):
            scored, slot = _scored(bundle, model, [*train, *test])
            start, end = int(train[0].t_ns[0]), int(test[0].t_ns[-1])
            hours = ((slot + 1) * bundle.manifest.period_ns - start) / 3.6e12
            # Training left the first 2 % of life out.
            life = Life(hours, (end - start) / 3.6e12, scored, IMS_MID_LIFE, IMS_SPAN)
            entity = replace(cell, entity=name)
            yield from life.rows(entity)
            yield Row.of(entity, "hit_top1", life.blames(bundle.signals, ims.DAMAGED[name]))


@dataclass(frozen=True)
class Life:
    """A bearing's scores until it failed."""

    hours: NDArray[np.float64]  # (N,) since the start
    whole: float  # hours until it failed
    scored: Scored
    middle: tuple[float, float]  # share of life in which an alarm is too early
    span: float  # hours that the `degrading` advisory draws its line through

    @property
    def stands(self) -> NDArray[np.bool_]:
        return standing(self.scored, PATIENT)

    @property
    def learnt(self) -> float:
        """Hours of which the model, or its threshold, has seen something."""
        return self.middle[0] * self.whole

    @property
    def onset(self) -> int | None:
        """Where the alarm begins that stands to the end, or the last one does."""
        runs = metrics.spans(self.stands & (self.hours > self.learnt))
        return int(runs[-1, 0]) if len(runs) else None

    def rows(self, cell: Cell) -> Iterator[Row]:
        """What there is to say of it."""
        late = self.hours > self.learnt
        alarms = metrics.spans(self.stands & late)
        first = int(alarms[0, 0]) if len(alarms) else self.hours.size
        before = late & (np.arange(self.hours.size) < first)
        for name, rows in (("trend", before), ("trend_to_end", late)):
            if rows.sum() > FEWEST:
                yield Row.of(cell, name, self._trend(rows))
                yield Row.of(cell, f"{name}_told", self._trend_told(rows))
        low, high = (share * self.whole for share in self.middle)
        inside = (self.hours >= low) & (self.hours < high)
        yield Row.of(cell, "mid_life_alarm_rate", float(self.stands[inside].mean()))
        onset = self.onset
        lead = float("nan") if onset is None else self.whole - float(self.hours[onset])
        yield Row.of(cell, "lead_hours", lead)
        first_lead = float("nan") if not len(alarms) else self.whole - float(self.hours[first])
        yield Row.of(cell, "first_lead_hours", first_lead)

    def _trend(self, rows: NDArray[np.bool_]) -> float:
        """How steadily the score rises, snapshot by snapshot (Spearman)."""
        return float(stats.spearmanr(self.hours[rows], self.scored.score[rows]).statistic)

    def _trend_told(self, rows: NDArray[np.bool_]) -> float:
        """How steadily what an operator is told of rises: mean logarithms over a span's bins."""
        number = np.floor(self.hours[rows] / (self.span / BINS)).astype(np.int64)
        score = np.log(np.maximum(self.scored.score[rows].astype(np.float64), 1e-12))
        bins = np.unique(number)
        means = [score[number == one].mean() for one in bins]
        return float(stats.spearmanr(bins, means).statistic)

    def blames(self, signals: Sequence[str], damaged: Sequence[str]) -> float:
        """Whether the bearing with the greatest deviation at the onset is one that failed."""
        if self.onset is None or self.scored.deviation is None:
            return float("nan")
        off = np.maximum(self.scored.deviation[self.onset : self.onset + 12], 0).mean(axis=0)
        totals: dict[str, float] = {}
        for name, value in zip(signals, off.tolist(), strict=True):
            bearing = name.partition("_")[0]
            totals[bearing] = totals.get(bearing, 0.0) + value
        return float(max(totals, key=lambda bearing: totals[bearing]) in damaged)


def _scored(
    bundle: Bundle, model: Model, recordings: Sequence[Recording]
) -> tuple[Scored, NDArray[np.int64]]:
    manifest = bundle.manifest
    slicing = Slicing(
        bundle.window,
        manifest.period_ns,
        manifest.branches[0].hop,
        min_coverage=manifest.min_coverage,
    )
    fill: Any = bundle.calibration["fill"]
    seen = windows(recordings, slicing, manifest.devices, fill)
    return by_bundle(bundle, model, seen, np.zeros(1, np.int64)), seen.slot
