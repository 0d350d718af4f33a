"""What VUS-PR on SMD owes to how finely it is taken, and the score to its average: vus-ranks.md.

python bench/vus_ranks.py                           # two minutes; no network is trained

The research notes measured `pca` and gevae+pca on these machines with averages of alpha .1 and
a finer VUS-PR. Here are `pca`, the constant that gevae's scores equal on SMD, and both together,
at either time constant and with 250 ranks, as the published implementation has them, and more.
"""

import math
import sys
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
MINUTES = {"12 min": 12.0, "alpha .1": -1 / math.log(0.9)}  # at one window a minute
MODELS: dict[str, dict[str, Any]] = {
    "pca": {},
    "const": {},
    "const+pca": {"const.with_raw": True},  # as gevae in gevae+pca
}
HEAD = f"""\
# VUS-PR on SMD: how finely it is taken

Made by `python bench/vus_ranks.py`; means over the twelve machines of ../accuracy/README.md, buffer
{BUFFER}. The other tables have {THRESHOLDS} ranks, as the published implementation (TSB-AD) does,
and 12 minutes. The notes measured .616 / .590 / .660 for `pca` and .627 / .592 / .669 for gevae+pca
(best F1, AP, VUS-PR)."""
Floats = NDArray[np.float64]


def measured(machine: str, family: str, minutes: float) -> list[float]:
    """Best F1, AP and VUS-PR at each of RANKS."""
    train, test = DATASETS["smd"].load(None, [machine])
    cell, plan = Cell("smd", machine, family), Plan(name="smd", smooth_minutes=minutes)
    with trained(cell, train, DRIFT, given=MODELS[family], plan=plan) as (bundle, model, config):
        found = judge_alone(bundle, model, train, test, Setting(held_out=config.held_out))
    assert found.label is not None
    label, score = found.label[found.later], found.scored.score[found.later].astype(np.float64)
    volumes = [vus_pr(label, score, BUFFER, ranks) for ranks in RANKS]
    return [metrics.best_f1(label, score), metrics.average_precision(label, score), *volumes]


def main() -> int:
    """Measure and write the table."""
    heads = ["model", "average", "best F1", "AP", *(f"VUS-PR, {ranks} ranks" for ranks in RANKS)]
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * (len(heads) - 2)]
    for family in MODELS:
        for name, minutes in MINUTES.items():
            mean = np.mean([measured(machine, family, minutes) for machine in MACHINES], axis=0)
            lines.append(f"| {family} | {name} | {' | '.join(f'{x:.3f}' for x in mean)} |")
    table = "\n".join(lines)
    written(f"{HEAD}\n\n{table}\n\n{cpu()}; {made()}\n", OUT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
