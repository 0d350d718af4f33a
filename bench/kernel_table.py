"""Writes the table of the kernels' speed against peers and the machine's limit.

python bench/kernel_table.py [FILE]: Markdown, to bench/results/kernels.md by default.

Every figure is a ratio of medians over interleaved rounds of one process's CPU time, so
that busy neighbours slow all alike. Results are compared before anything is timed.
"""

import datetime as dt
import importlib.metadata
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from elastic import CASES, Case
from limits import instruction_ns
from machine import cpu

from edge_kernels.lanes import REGISTER_BYTES

ROUNDS = 9
ROUND_NS = 20_000_000  # each contender runs at least that long in a round
PACKAGES = ("numba", "numpy", "dtaidistance", "aeon", "scikit-learn")
HEAD = """\
| case | us a pair or row | against | ratio | at least | | of the limit |
|---|---:|---|---:|---:|---|---:|
"""


def main() -> None:
    here = Path(__file__).parent
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "results" / "kernels.md"
    table = "".join(line for name, make in CASES.items() for line in rows(name, make()))
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"# Kernels against peers\n\n{machine()}\n\n{HEAD}{table}", "utf-8")
    sys.stdout.write(file.read_text("utf-8"))


def rows(name: str, case: Case) -> list[str]:
    """The table's lines for one case, one a peer."""
    check(name, case)
    instruction_ns(case.dtype)  # compile outside the clock
    contenders = {"": case.ours} | {p.name: p.run for p in case.peers if p.run is not None}
    times, instruction = race(contenders, lambda: instruction_ns(case.dtype))
    ours = times[""] / case.pairs
    limit = ""
    if case.instructions:
        limit = f"{case.instructions * instruction / times['']:.2f}"
    lines: list[str] = []
    for peer in case.peers:
        first = not lines
        start = f"| {name} | {ours / 1e3:.3g} " if first else "| | "
        end = f"| {limit if first else ''} |\n"
        if peer.run is None:
            lines.append(f"{start}| {peer.name} | not installed | {peer.at_least:g} | {end}")
            continue
        ratio = times[peer.name] / (peer.pairs or case.pairs) / ours
        verdict = "reached" if ratio >= peer.at_least else "short"
        lines.append(f"{start}| {peer.name} | {ratio:.3g} | {peer.at_least:g} | {verdict} {end}")
    return lines


def check(name: str, case: Case) -> None:
    """Stop where the contenders do not compute the same."""
    ours = np.asarray(case.ours())
    for peer in case.peers:
        if peer.run is None or peer.pairs or "path" in peer.name:
            continue
        theirs = np.asarray(peer.run())
        if not np.allclose(ours, theirs, rtol=1e-4):
            raise AssertionError(f"{name}: {peer.name} computes something else")


def race(
    contenders: dict[str, Callable[[], Any]], limit: Callable[[], float]
) -> tuple[dict[str, float], float]:
    """Median nanoseconds of a call of each, and of what `limit` says, in turns."""
    repeats = {name: max(1, round(ROUND_NS / timed(run, 1))) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    limits = []
    for _ in range(ROUNDS):
        limits.append(limit())
        for name, run in contenders.items():
            samples[name].append(timed(run, repeats[name]))
    medians = {name: statistics.median(values) for name, values in samples.items()}
    return medians, statistics.median(limits)


def timed(run: Callable[[], Any], repeats: int) -> float:
    start = time.process_time_ns()
    for _ in range(repeats):
        run()
    return (time.process_time_ns() - start) / repeats


def machine() -> str:
    """CPU, vector width, versions, commit and date, in one paragraph."""
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"no {package}")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607  # whichever git there is
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    today = dt.datetime.now(tz=dt.UTC).date()
    return (
        f"{cpu()}, registers of {REGISTER_BYTES * 8} bits, one core; "
        f"Python {platform.python_version()}, {', '.join(versions)}; "
        f"commit {commit or 'unknown'}, {today}.\n\n"
        "Squared cost, radius ceil(0.1 n), one channel unless d says otherwise. The "
        "limit is the arithmetic's vector instructions times what one takes here, "
        "measured in the same rounds. `at least` is the target."
    )


if __name__ == "__main__":
    main()
