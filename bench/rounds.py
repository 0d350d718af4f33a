"""Contenders in turns: whatever else the machine does within a round hits all of them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

__all__ = ["HOW", "in_turns", "rate", "spent"]

ROUNDS, SECONDS = 9, 0.05  # per cell and round, at least one call
HOW = f"processor time, one thread, spinning off; median of {ROUNDS} interleaved rounds"

Cell = TypeVar("Cell")


def spent(run: Callable[[], object]) -> float:
    """Seconds of processor time a call, over at least SECONDS.

    All threads of the process count, so that one working behind the caller's back would show;
    other processes on the machine do not.
    """
    calls, start = 0, time.process_time()
    while True:
        run()
        calls += 1
        elapsed = time.process_time() - start
        if elapsed >= SECONDS:
            return elapsed / calls


def rate(run: Callable[[], object], size: int) -> float:
    """Windows a second of processor time, `size` of them a call."""
    return size / spent(run)


def in_turns(
    runs: Mapping[Cell, Callable[[], object]],
    figure: Callable[[Cell, Callable[[], object]], float],
) -> dict[Cell, list[float]]:
    """The figure of every cell, a round an entry."""
    found: dict[Cell, list[float]] = {cell: [] for cell in runs}
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("measure", total=ROUNDS * len(runs))
        for run in runs.values():
            run()  # warm
        for _ in range(ROUNDS):
            for cell, run in runs.items():
                found[cell].append(figure(cell, run))
                bar.advance(task)
    return found
