"""Steps a second of one core, `gevae` by batch: bench/results/gevae.md.

    python bench/gevae_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from gevae_contenders import AGAIN, BATCHES, CONTENDERS, PEER, SEED, SHIPPED, feeds, step, turns
from lstm_ae_table import ROUNDS, rate
from machine import cpu

from edge_export.bundles.provenance import commit, versions

INTRODUCTION = f"""\
Made by `python bench/gevae_table.py`: a step is to encode the newest window and to tell the next
one from the last 12 latents; 48 slots of 38 signals, 134 edges, 2 heads of 32. `online` keeps the
latents. In brackets the ratio to `{PEER}`."""
OUT = Path(__file__).parent / "results" / "gevae.md"
GATES = ((PEER, 1, 6.0), (PEER, 128, 2.5), (AGAIN, 1, 6.0))  # times, at a batch
Cell = tuple[str, int]  # contender, batch


def measure() -> dict[Cell, list[float]]:
    """Rates of each cell, a round an entry."""
    runs = {(name, size): turns(step(name), feeds(size)) for size in BATCHES for name in CONTENDERS}
    rates: dict[Cell, list[float]] = {cell: [] for cell in runs}
    for run in runs.values():
        run()  # warm
    for _ in range(ROUNDS):
        for cell, run in runs.items():
            rates[cell].append(rate(run, cell[1]))
    return rates


def times(rates: dict[Cell, list[float]], name: str, peer: str, size: int) -> float:
    """Median over rounds of the ratio of two contenders."""
    return float(np.median(np.array(rates[name, size]) / np.array(rates[peer, size])))


def table(rates: dict[Cell, list[float]]) -> str:
    """The report, as Markdown."""
    lines = [
        "# gevae: steps a second of one core",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; processor time, one thread, spinning off; "
        f"median of {ROUNDS} interleaved rounds; seed {SEED}; "
        f"{datetime.now(UTC):%Y-%m-%d}; commit {commit()[:12]}; "
        + ", ".join(f"{name} {number}" for name, number in versions().items()),
        "",
        "| batch | " + " | ".join(CONTENDERS) + " |",
        "|" + "---:|" * (len(CONTENDERS) + 1),
    ]
    for size in BATCHES:
        cells = [
            f"{np.median(rates[name, size]):,.0f} ({times(rates, name, PEER, size):.3g}x)"
            for name in CONTENDERS
        ]
        lines.append("| " + " | ".join([str(size), *cells]) + " |")
    lines.append("")
    for peer, size, gate in GATES:
        found = times(rates, SHIPPED, peer, size)
        lines.append(f"* {SHIPPED} at batch {size}: {found:.1f} times {peer} (target: {gate:g}).")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = table(measure())
    sys.stdout.write(text)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
