"""Steps a second of one core, `gevae` by batch: bench/results/gevae.md.

    python bench/gevae_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

from pathlib import Path

import numpy as np
from gevae_contenders import AGAIN, BATCHES, CONTENDERS, PEER, SEED, SHIPPED, feeds, step, turns
from machine import cpu, made, written
from rounds import HOW, in_turns, rate

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
    return in_turns(runs, lambda cell, run: rate(run, cell[1]))


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
        f"{cpu()}; {HOW}; seed {SEED}; {made()}",
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
        lines.append(f"* {SHIPPED} at batch {size}: {found:.2f} times {peer} (target: {gate:g}).")
    alone, together = (np.array(rates[SHIPPED, size]) for size in (1, 8))
    share = float(np.median(alone / together))
    again = (
        "To encode 12 windows again is one batch, not 12 runs; in a batch of 8 a step takes "
        f"{share:.0%} of the time that it takes alone, which keeps the last ratio low."
    )
    lines += ["", again]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = table(measure())
    written(text, OUT)


if __name__ == "__main__":
    main()
