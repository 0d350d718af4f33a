"""Windows a second of one core, `lstm-ae` by batch and devices: bench/results/lstm-ae.md.

    python bench/lstm_ae_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
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
from machine import cpu
from rich.console import Console
from rich.progress import Progress

from edge_export.bundles.provenance import commit, versions

ROUNDS, SECONDS = 9, 0.05  # per cell and round, at least one call
INTRODUCTION = f"""\
Made by `python bench/lstm_ae_table.py`. `grouped` runs the heads that a batch needs, `naive`
every head, of which it keeps one. The devices of a batch are drawn at random. LSTM 64, LSTM 32,
Dense 16 and back, 30 slots of 19 signals. `times` is the ratio to `{PEER}`."""
OUT = Path(__file__).parent / "results" / "lstm-ae.md"


def rate(run: Callable[[], object], size: int) -> float:
    """Windows a second of processor time, over at least SECONDS.

    All threads of the process count, so that one working behind the caller's back would show;
    other processes on the machine do not.
    """
    calls, start = 0, time.process_time()
    while True:
        run()
        calls += 1
        spent = time.process_time() - start
        if spent >= SECONDS:
            return calls * size / spent


def measure() -> dict[tuple[str, int, int], list[float]]:
    """Rates of each (contender, devices, batch), a round an entry."""
    cells = {
        (name, devices, size): turns(contender(name, devices), batches(devices, size))
        for devices in DEVICES
        for size in BATCHES
        for name in CONTENDERS
    }
    rates: dict[tuple[str, int, int], list[float]] = {cell: [] for cell in cells}
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("measure", total=ROUNDS * len(cells))
        for run in cells.values():
            run()  # warm
        for _ in range(ROUNDS):
            for cell, run in cells.items():
                rates[cell].append(rate(run, cell[2]))
                bar.advance(task)
    return rates


def table(rates: dict[tuple[str, int, int], list[float]]) -> str:
    """The report, as Markdown."""
    lines = [
        "# lstm-ae: windows a second of one core",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; processor time, one thread, spinning off; "
        f"median of {ROUNDS} interleaved rounds; seed {SEED}; "
        f"{datetime.now(UTC):%Y-%m-%d}; commit {commit()[:12]}; "
        + ", ".join(f"{name} {number}" for name, number in versions().items()),
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
    sys.stdout.write(text)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
