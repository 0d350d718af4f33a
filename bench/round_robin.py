"""What one window costs a gateway that runs every family: bench/results/families.md.

    python bench/round_robin.py

`hot` runs one family over and over; `in turns` lets all of them take turns with fresh inputs, so
that each finds the caches full of the others: what a gateway with several models sees, and its
99th percentile is what an alarm may have to wait for. Beside it how one session serves two threads.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import gevae_contenders as gevae
import lstm_ae_contenders as lstm_ae
import numpy as np
import usad_contenders as usad
import vae_contenders as vae
from machine import cpu, made, written
from numpy.typing import NDArray

from edge_anomaly.files.bundle import ONNX
from edge_anomaly.ports import Graph
from edge_export.data.recordings import Windows
from edge_export.data.split import Split
from edge_export.families.linear import Coefficients, Config, graph
from edge_export.graphs.verify import load

__all__ = ["FAMILIES", "hot", "in_turns", "two_threads"]

SEED, SIGNALS, ROUNDS = 0, 38, 1500
THREADED_S = 0.4  # each way to serve, a repeat
REPEATS = 5
INTRODUCTION = """\
Made by `python bench/round_robin.py`: batch 1, ONNX Runtime, one thread, fresh inputs; wall time,
microseconds."""
GATE = 1.7  # times the windows of one thread, with two
OUT = Path(__file__).parent / "results" / "families.md"
TOO_SHORT = "A run of `pca` is over sooner than Python hands its lock from thread to thread."
Run = Callable[[], object]


def _pca() -> Run:
    rng = np.random.default_rng(SEED)
    row = np.zeros((1, SIGNALS), np.float32)
    nought = np.zeros(0, np.int64)
    none = Windows(np.zeros((0, 1, SIGNALS), np.float32), nought, nought, row[0, :0])
    parts = Split(("d",), tuple(f"m{c}" for c in range(SIGNALS)), none, none, row, row + 1, row)
    square = rng.normal(size=(1, SIGNALS, SIGNALS)).astype(np.float32)
    found = Coefficients(row, square, square)
    made = load(ONNX, graph(parts, found, Config(window=1), forecasts=False))
    return _turns(made, (1, SIGNALS))


def _turns(made: Graph, shape: tuple[int, ...], count: int = 16) -> Run:
    rng, at = np.random.default_rng(SEED), 0
    feeds: list[dict[str, NDArray[np.float32] | NDArray[np.int64]]] = [
        {
            "window": rng.normal(size=(1, *shape)).astype(np.float32),
            "device": np.zeros(1, np.int64),
        }
        for _ in range(count)
    ]

    def run() -> object:
        nonlocal at
        at = (at + 1) % count
        return made.run(feeds[at])

    return run


FAMILIES: Mapping[str, Callable[[], Run]] = {
    "gevae (encode and tell)": lambda: gevae.turns(gevae.step(gevae.SHIPPED), gevae.feeds(1)),
    "vae, 8 bits": lambda: vae.turns(vae.contender(vae.SHIPPED), vae.feeds(1)),
    "usad, 96 slots": lambda: usad.turns(
        usad.contender(usad.SHIPPED, "default", 96), usad.feeds(96, 1)
    ),
    "lstm-ae, 100 devices": lambda: lstm_ae.turns(
        lstm_ae.contender(lstm_ae.SHIPPED, 100), lstm_ae.batches(100, 1)
    ),
    "pca": _pca,
}


def hot(run: Run, rounds: int = ROUNDS) -> NDArray[np.float64]:
    """Microseconds of each of many runs, nothing else between them."""
    for _ in range(20):
        run()
    return _timed(run, rounds)


def in_turns(runs: Mapping[str, Run], rounds: int = ROUNDS) -> dict[str, NDArray[np.float64]]:
    """Microseconds of each run, all families taking turns."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            spent[name].append(float(_timed(run, 1)[0]))
    return {name: np.array(values) for name, values in spent.items()}


def two_threads(run: Run) -> float:
    """How many times the runs of one thread two make, with one session; median of repeats."""
    return float(np.median([_rate(run, 2) / _rate(run, 1) for _ in range(REPEATS)]))


def _timed(run: Run, rounds: int) -> NDArray[np.float64]:
    spent = np.empty(rounds)
    for i in range(rounds):
        begun = time.perf_counter_ns()
        run()
        spent[i] = time.perf_counter_ns() - begun
    return spent / 1e3


def _rate(run: Run, threads: int) -> float:
    counts = [0] * threads
    over = time.perf_counter() + THREADED_S

    def work(mine: int) -> None:
        while time.perf_counter() < over:
            run()
            counts[mine] += 1

    crew = [threading.Thread(target=work, args=(mine,)) for mine in range(threads)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return sum(counts) / THREADED_S


def main() -> None:
    """Measure, print, write."""
    runs = {name: make() for name, make in FAMILIES.items()}
    alone = {name: hot(run) for name, run in runs.items()}
    together = in_turns(runs)
    lines = [
        "# One window of each family on one core",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; {ROUNDS} rounds; seed {SEED}; {made()}",
        "",
        "| family | hot p50 | hot p99 | in turns p50 | in turns p99 | two threads, one session |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, run in runs.items():
        cells = [f"{q:.0f}" for x in (alone, together) for q in np.quantile(x[name], (0.5, 0.99))]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {two_threads(run):.2f}x |")
    asked = f"Two threads on two cores are asked for at least {GATE:g} times one."
    lines += ["", f"{asked} {TOO_SHORT}"]
    text = "\n".join(lines) + "\n"
    written(text, OUT)


if __name__ == "__main__":
    main()
