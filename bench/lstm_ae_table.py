"""Windows a second of one core, `lstm-ae` by batch and devices: bench/results/lstm-ae.md.

    python bench/lstm_ae_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

from pathlib import Path

import numpy as np
from lstm_ae_contenders import (
    BATCHES,
    CONTENDERS,
    DEVICES,
    PEER,
    SEED,
    SHIPPED,
    batches,
    contender,
    turns,
)
from machine import cpu, made, written
from rounds import HOW, in_turns, rate

INTRODUCTION = f"""\
Made by `python bench/lstm_ae_table.py`. `grouped` runs the heads that a batch needs, `naive`
every head, of which it keeps one. The devices of a batch are drawn at random. LSTM 64, LSTM 32,
Dense 16 and back, 30 slots of 19 signals. `times` is the ratio to `{PEER}`."""
OUT = Path(__file__).parent / "results" / "lstm-ae.md"


def measure() -> dict[tuple[str, int, int], list[float]]:
    """Rates of each (contender, devices, batch), a round an entry."""
    runs = {
        (name, devices, size): turns(contender(name, devices), batches(devices, size))
        for devices in DEVICES
        for size in BATCHES
        for name in CONTENDERS
    }
    return in_turns(runs, lambda cell, run: rate(run, cell[2]))


def table(rates: dict[tuple[str, int, int], list[float]]) -> str:
    """The report, as Markdown."""
    lines = [
        "# lstm-ae: windows a second of one core",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; {HOW}; seed {SEED}; {made()}",
        "",
        "| devices | batch | "
        + " | ".join(f"{name} | times" for name in CONTENDERS[:-1])
        + f" | {PEER} |",
        "|" + "---:|" * (2 * len(CONTENDERS) + 1),
    ]
    for devices in DEVICES:
        for size in BATCHES:
            peer = np.array(rates[PEER, devices, size])
            cells = [str(devices), str(size)]
            for name in CONTENDERS[:-1]:
                mine = np.array(rates[name, devices, size])
                cells += [f"{np.median(mine):,.0f}", f"{np.median(mine / peer):.3g}"]
            lines.append("| " + " | ".join([*cells, f"{np.median(peer):,.0f}"]) + " |")
    goal = np.median(np.array(rates[SHIPPED, 100, 1]) / np.array(rates[PEER, 100, 1]))
    lines += ["", f"At batch 1 with 100 devices: {goal:.0f} times naive (target: 100)."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = table(measure())
    written(text, OUT)


if __name__ == "__main__":
    main()
