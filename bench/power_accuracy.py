"""What `usad` finds among injected faults of two years of load: bench/results/power.md.

python bench/power_accuracy.py            # all rows; some twenty minutes a network
python bench/power_accuracy.py default    # some of them; the others stay as they are
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import power_paired
from machine import cpu, made

from edge_anomaly.errors import AgentError
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import BUDGET, Rule
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.families import find
from edge_export.graphs.verify import load_model
from edge_export.grounds.power import TEST, TRAIN_DAYS, power_ground
from edge_export.grounds.power_faults import CHOICE, CONFIRMATION
from edge_export.grounds.power_trial import BUFFER, trials

__all__ = ["BUDGETS", "Run", "outcomes"]

OUT = Path(__file__).parent / "results"
BUDGETS = (0.05, 0.1)
GROUNDS = ("steel", "power_demand")
EVENTS = 5  # seeds of faults in a row
PRESETS = ("no-network", "network", "paper")
GATES = {"steel": (0.30, 0.60), "power_demand": (0.50, 0.75)}
COLUMNS = (
    "preset",
    "networks",
    "faults",
    "AP",
    "VUS-PR",
    "budget",
    "event F1",
    "FA/d",
    "recall",
    "phase",
    "shift",
)
HEAD = f"""\
# `usad` on a year of electric load

Made by `python bench/power_accuracy.py`: days 0 to {TRAIN_DAYS - 1} teach, the next
{TEST.start - TRAIN_DAYS} are held out, {len(TEST)} are judged. A row is {EVENTS} seeds with one
fault of each of eight kinds, put in by `edge_export.grounds.power_faults`; recipes were chosen in
sight of the seeds from {CHOICE} on, those from {CONFIRMATION} on served no choice. Scores come from
the bundle through the agent's own scorer and are causal. Thresholds are the lowest that leave so
many alarms a day (`budget`) on 100 healthy days; no label enters. `FA/d`: false alarms a day;
8 faults in {len(TEST)} days are .049 a day. VUS-PR with a buffer of {BUFFER} slots. ±: standard
deviation over seeds."""


@dataclass(frozen=True)
class Run:
    """One bundle: a preset trained on a ground from a seed."""

    ground: str
    preset: str
    seed: int = 0


def outcomes(run: Run, bases: Sequence[int] = (CHOICE, CONFIRMATION)) -> Iterator[dict[str, Any]]:
    """Train and judge: a row a seed of faults and a budget."""
    train, test = DATASETS[run.ground].load()
    ground = power_ground([*train, *test])
    family = find("usad")
    held_out = 1 - TRAIN_DAYS / TEST.start
    config = replace(family.presets[run.preset], held_out=held_out, seed=run.seed)
    plan = Plan(name=run.ground, rule=Rule(BUDGET, BUDGETS[0]), torchscript=False)
    with tempfile.TemporaryDirectory() as folder:
        bundle = train_bundle(family, train, config, Path(folder) / "bundle", plan)
        seeds = [base + i for base in bases for i in range(EVENTS)]
        for found in trials(bundle, load_model(bundle), ground, seeds, BUDGETS):
            base = CHOICE if found.seed < CONFIRMATION else CONFIRMATION
            yield {
                "ground": run.ground,
                "preset": run.preset,
                "model_seed": run.seed,
                "base": base,
                "seed": found.seed,
                "budget": found.budget,
                **found.rows(),
            }


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for, keep the rows, write the table; 2 when it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"of {', '.join(PRESETS)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of networks (default 0)")
    parser.add_argument("--grounds", nargs="+", default=list(GROUNDS), choices=GROUNDS)
    parser.add_argument("--table", action="store_true", help="run nothing")
    arguments = parser.parse_args(argv)
    kept = OUT / "power.ndjson"
    rows = (
        [json.loads(line) for line in kept.read_text("utf-8").splitlines()] if kept.exists() else []
    )
    wanted = [
        Run(ground, preset, seed)
        for seed in arguments.seeds
        for preset in (arguments.presets or PRESETS)
        for ground in arguments.grounds
        if seed == 0 or preset != "no-network"  # whose forests have seeds of their own
    ]
    for run in [] if arguments.table else wanted:
        started = time.perf_counter()
        try:
            found = list(outcomes(run))
        except AgentError as exc:
            sys.stderr.write(f"{exc}\n")
            return 2
        sys.stderr.write(f"{run}: {time.perf_counter() - started:.0f} s\n")
        rows = [row for row in rows if not _same(row, run)] + found
        kept.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (OUT / "power.md").write_text(table(rows), "utf-8")
    return 0


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The report, as Markdown."""
    lines = [HEAD, ""]
    for ground in GROUNDS:
        ap, f1 = GATES[ground]
        lines += [
            f"## {ground}",
            "",
            f"Gate: AP {ap:.2f}; event F1 {f1:.2f} at .05 FA/d; recall of phase and shift .8.",
            "",
            "| " + " | ".join(COLUMNS) + " |",
            "|---|---:|---|" + "---:|" * (len(COLUMNS) - 3),
        ]
        for preset in PRESETS:
            for base, name in ((CHOICE, "chosen on"), (CONFIRMATION, "fresh")):
                for budget in BUDGETS:
                    wanted = (ground, preset, base, budget)
                    some = [
                        row
                        for row in rows
                        if (row["ground"], row["preset"], row["base"], row["budget"]) == wanted
                    ]
                    if some:
                        lines.append(_line(preset, name, budget, some))
        lines.append("")
    lines += [
        _kinds(rows),
        "",
        *power_paired.differences(rows, BUDGETS[0]),
        "",
        *power_paired.counts(rows, BUDGETS[0]),
        "",
    ]
    lines.append(f"{cpu()}; {made()}")
    return "\n".join(lines) + "\n"


def _line(preset: str, name: str, budget: float, some: Sequence[dict[str, Any]]) -> str:
    def cell(metric: str) -> str:
        values = [row[metric] for row in some]
        return f"{np.mean(values):.3f}"

    networks = len({row["model_seed"] for row in some})
    spread = np.std([row["ap"] for row in some])
    cells = [
        preset,
        str(networks) if preset != "no-network" else "-",
        name,
        f"{cell('ap')} ± {spread:.3f}",
        cell("vus_pr"),
        f"{budget:g}",
        cell("event_f1"),
        cell("false_alarms_per_day"),
        cell("event_recall"),
        cell("recall_phase"),
        cell("recall_shift"),
    ]
    return "| " + " | ".join(cells) + " |"


def _kinds(rows: Sequence[dict[str, Any]]) -> str:
    """Share of faults of each kind that an alarm meets, both grounds and all seeds."""
    kinds = sorted({key for row in rows for key in row if key.startswith("recall_")})
    lines = [
        f"Recall by kind at a budget of {BUDGETS[0]:g}, both grounds, all seeds:",
        "",
        "| preset | " + " | ".join(kind.removeprefix("recall_") for kind in kinds) + " |",
        "|---" + "|---:" * len(kinds) + "|",
    ]
    for preset in PRESETS:
        some = [r for r in rows if r["preset"] == preset and r["budget"] == BUDGETS[0]]
        if some:
            cells = [f"{np.mean([row[kind] for row in some]):.2f}" for kind in kinds]
            lines.append("| " + " | ".join([preset, *cells]) + " |")
    return "\n".join(lines)


def _same(row: dict[str, Any], run: Run) -> bool:
    mine = (run.ground, run.preset, run.seed)
    return (row["ground"], row["preset"], row["model_seed"]) == mine


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Leaves the docstring's lines as they are."""


if __name__ == "__main__":
    sys.exit(main())
