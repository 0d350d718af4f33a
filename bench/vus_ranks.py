"""What VUS-PR owes to how finely it is taken, and scores to their average: vus-ranks.md.

python bench/vus_ranks.py                           # two minutes; no network is trained

The research notes measured `pca` and gevae+pca on SMD's machines with averages of alpha .1 and a
finer VUS-PR. Here are `pca`, the constant that gevae's scores equal on SMD, and both together, at
either time constant and with 250 ranks, as the published implementation has them, and more; and
the same on ASD, where no recipe was chosen.
"""

import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accuracy.bundles import DRIFT, trained
from accuracy.cells import MACHINES, Cell
from machine import cpu, made, written
from numpy.typing import NDArray

from edge_export.bundles.train import Plan
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.evaluation import metrics
from edge_export.evaluation.evaluate import judge_alone
from edge_export.evaluation.results import Setting
from edge_export.evaluation.vus import THRESHOLDS, vus_pr

OUT = Path(__file__).parent / "results" / "vus-ranks.md"
BUFFER = 100
RANKS = (THRESHOLDS, 1000, 4000)
MINUTES = (12.0, -1 / math.log(0.9))  # the second: alpha .1 at one window a minute
ENTITIES = {"smd": MACHINES, "asd": ("all",)}
MODELS: dict[str, dict[str, Any]] = {
    "pca": {},
    "const": {},
    "var1": {},
    "const+pca": {"const.with_raw": True},  # as gevae in gevae+pca
}
HEAD = f"""\
# VUS-PR on servers: how finely it is taken

Made by `python bench/vus_ranks.py`; means over the machines of ../accuracy/README.md, buffer
{BUFFER}. The other tables have {THRESHOLDS} ranks, as the published implementation (TSB-AD) does,
and averages of 12 minutes. The notes measured .616 / .590 / .660 for `pca` and .627 / .592 / .669
for gevae+pca on SMD (best F1, AP, VUS-PR)."""
Floats = NDArray[np.float64]


def measured(cell: Cell, minutes: float) -> Iterator[list[float]]:
    """Best F1, AP and VUS-PR at each of RANKS, of every device of the cell."""
    entities = None if cell.entity == "all" else [cell.entity]
    train, test = DATASETS[cell.ground].load(None, entities)
    plan = Plan(name=cell.ground, smooth_minutes=minutes)
    given = MODELS[cell.family]
    with trained(cell, train, DRIFT, given=given, plan=plan) as (bundle, model, config):
        found = judge_alone(bundle, model, train, test, Setting(held_out=config.held_out))
    assert found.label is not None
    for d in range(len(found.devices)):
        own = found.later & (found.seen.device == d)
        label, score = found.label[own], found.scored.score[own].astype(np.float64)
        volumes = [vus_pr(label, score, BUFFER, ranks) for ranks in RANKS]
        yield [metrics.best_f1(label, score), metrics.average_precision(label, score), *volumes]


def main() -> int:
    """Measure and write the table."""
    volumes = [f"VUS-PR, {ranks} ranks" for ranks in RANKS]
    heads = ["ground", "model", "average, min", "best F1", "AP", *volumes]
    lines = [f"| {' | '.join(heads)} |", "|---|---" + "|---:" * (len(heads) - 2) + "|"]
    for ground, family, minutes in itertools.product(ENTITIES, MODELS, MINUTES):
        cells = [Cell(ground, entity, family) for entity in ENTITIES[ground]]
        mean = np.mean([row for cell in cells for row in measured(cell, minutes)], axis=0)
        figures = " | ".join(f"{x:.3f}" for x in mean)
        lines.append(f"| {ground} | {family} | {minutes:.1f} | {figures} |")
    table = "\n".join(lines)
    written(f"{HEAD}\n\n{table}\n\n{cpu()}; {made()}\n", OUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
