"""Injected faults in two years of electric load, by the rules of bench/power_accuracy.py."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import power_accuracy

from accuracy.cells import Cell
from accuracy.store import Row
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.evaluation import metrics
from edge_export.evaluation.vus import vus_pr
from edge_export.grounds.power import DAY, TEST, power_ground
from edge_export.grounds.power_faults import CHOICE, CONFIRMATION, inject
from edge_export.grounds.power_trial import BUFFER

__all__ = ["NETWORK", "run", "told"]

NETWORK = 10  # a row's seed is that of its faults and this times the network's
SETS = {CHOICE: "choice", CONFIRMATION: "confirmation"}  # seeds that recipes saw, and fresh ones


def run(cell: Cell) -> Iterator[Row]:
    """Figures of each seed of faults."""
    if cell.family == "random":
        yield from _random(cell)
        return
    for found in power_accuracy.outcomes(power_accuracy.Run(cell.ground, cell.preset, cell.seed)):
        yield from told(cell, found)


def told(cell: Cell, found: Mapping[str, Any]) -> Iterator[Row]:
    """A line of bench/results/power.ndjson as rows."""
    base = found["base"]
    own = replace(cell, entity=SETS[base], seed=found["seed"] - base + NETWORK * cell.seed)
    first = found["budget"] == power_accuracy.BUDGETS[0]
    for metric, value in found.items():
        if metric in {"ap", "vus_pr", "best_f1"} and first:
            yield Row.of(own, metric, value)
        elif metric.startswith(("event_", "false_", "recall_")):
            yield Row.of(own, metric if first else f"{metric}_at_{found['budget']:g}", value)


def _random(cell: Cell) -> Iterator[Row]:
    train, test = DATASETS[cell.ground].load()
    ground = power_ground([*train, *test])
    start = TEST.start * DAY
    for base, name in SETS.items():
        for i in range(power_accuracy.EVENTS):
            labels = inject(ground, base + i).recording.labels
            assert labels is not None
            label = labels[start:][~ground.ignored[start:]]
            score = np.random.default_rng(i).random(label.size)
            own = replace(cell, entity=name, seed=i)
            yield Row.of(own, "ap", metrics.average_precision(label, score))
            yield Row.of(own, "vus_pr", vus_pr(label, score, BUFFER))
