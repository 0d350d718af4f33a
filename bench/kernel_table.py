"""Writes the table of the kernels' speed against peers and the machine's limit.

python bench/kernel_table.py [FILE]: Markdown, to bench/results/kernels.md by default.
Peers come with the extra `bench` but for aeon: pip install --no-deps -r bench/aeon.txt.

Every figure is a ratio of medians over interleaved rounds of one process's CPU time, so
that busy neighbours slow all alike. Results are compared before anything is timed.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from elastic import CASES, Case
from limits import (
    back_ns,
    call_ns,
    instruction_ns,
    reading_ns,
    step_ns,
    transposing_ns,
)
from machine import machine
from pair_parts import part_rows

ROUNDS = 9
ROUND_NS = 20_000_000  # each contender runs at least that long in a round
PACKAGES = ("numba", "numpy", "dtaidistance", "aeon", "scikit-learn")
NOTE = """\
Squared cost, radius ceil(0.1 n), one channel unless d says otherwise; medians of rounds in
turns. The limit is the larger of two times, the least seen in the same rounds: that of
the arithmetic's vector instructions, and, for a pair, that of its diagonals one behind the
other; for a path, after that, the steps of its way back; and for a pair, before that, a call
from Python of a compiled kernel that does nothing with the same arguments: here {pair:.2f} us,
and {path:.2f} us for a path with its two results. `at least` is the target, `at the limit` the
ratio of a kernel that takes no more than the limit; on a busy machine either is a few per cent
off.
"""
PARTS = """\

## Where a batch's time goes

Microseconds a pair, each part alone and the least seen: the arithmetic at its limit; bringing
the series into lanes, as measured, and at least, were it nothing but shuffles that find a port
free at every cycle; reading the series, wherever the caches have them. Where ours takes less
than arithmetic and transposing together, the two overlap. `reachable` is the first peer's ratio
to a kernel that hides everything but arithmetic and shuffles behind one another.

| case | ours | arithmetic | transposing | at least | reading | reachable | at least |
|---|---:|---:|---:|---:|---:|---:|---:|
"""
HEAD = """\
| case | us a pair or row | of the limit | against | ratio | at the limit | at least | |
|---|---:|---:|---|---:|---:|---:|---|
"""


def main() -> None:
    here = Path(__file__).parent
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "results" / "kernels.md"
    table = "".join(line for name, make in CASES.items() for line in rows(name, make()))
    file.parent.mkdir(exist_ok=True)
    calls = {
        kind: call_ns(CASES[f"{name}, n = 96"]().arguments) / 1e3
        for kind, name in (("pair", "one pair"), ("path", "path and profile"))
    }
    note = NOTE.format_map(calls)
    batches = {name: make() for name, make in CASES.items() if name.startswith("batch")}
    batch_parts = "".join(part(name, case) for name, case in batches.items())
    text = (
        f"# Kernels against peers\n\n{machine(PACKAGES)}\n\n{note}\n{HEAD}{table}"
        f"{PARTS}{batch_parts}\n{part_rows()}"
    )
    file.write_text(text, "utf-8")
    sys.stdout.write(file.read_text("utf-8"))


def rows(name: str, case: Case) -> list[str]:
    """The table's lines for one case, one a peer."""
    check(name, case)
    contenders = {"": case.ours} | {p.name: p.run for p in case.peers if p.run is not None}
    times, limit_ns = race(contenders, partial(limit, case))
    ours = times[""] / case.pairs
    of_limit = f"{limit_ns / times['']:.2f}" if limit_ns else ""
    lines: list[str] = []
    for peer in case.peers:
        start = "| | | " if lines else f"| {name} | {ours / 1e3:.3g} | {of_limit} "
        if peer.run is None:
            lines.append(f"{start}| {peer.name} | not installed | | {peer.at_least:g} | |\n")
            continue
        theirs = times[peer.name] / (peer.pairs or case.pairs)
        best = f"{theirs / limit_ns * case.pairs:.3g}" if limit_ns else ""
        ratio = theirs / ours
        verdict = f"{peer.at_least:g} | {'reached' if ratio >= peer.at_least else 'short'}"
        lines.append(f"{start}| {peer.name} | {ratio:.3g} | {best} | {verdict} |\n")
    return lines


def part(name: str, case: Case) -> str:
    """The line of one batch in the table of what its time goes to."""
    peer = case.peers[0]
    contenders = {"": case.ours} | ({} if peer.run is None else {"peer": peer.run})
    times, limit_ns = race(contenders, partial(limit, case))
    shuffling = case.shuffles * instruction_ns(case.dtype)
    spent = (
        times[""],
        limit_ns,
        sum(map(transposing_ns, case.series)),
        shuffling,
        sum(map(reading_ns, case.series)),
    )
    figures = " | ".join(f"{ns / case.pairs / 1e3:.3g}" for ns in spent)
    best = f"{times['peer'] / (limit_ns + shuffling):.3g}" if "peer" in times else ""
    return f"| {name} | {figures} | {best} | {peer.at_least:g} |\n"


def limit(case: Case) -> float:
    """Nanoseconds of one call of ours, were it nothing but what it cannot do without."""
    if not case.instructions:
        return 0
    steps = case.steps * step_ns(case.dtype) if case.steps else 0
    call = call_ns(case.arguments) if case.arguments else 0
    back = case.back * back_ns() if case.back else 0
    return call + max(case.instructions * instruction_ns(case.dtype), steps) + back


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
    """Median nanoseconds of a call of each, and the least that `limit` says, in turns."""
    limit()  # compile outside the clock
    repeats = {name: max(1, round(ROUND_NS / timed(run, 1))) for name, run in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    limits = []
    for _ in range(ROUNDS):
        limits.append(limit())
        for name, run in contenders.items():
            samples[name].append(timed(run, repeats[name]))
    medians = {name: statistics.median(values) for name, values in samples.items()}
    return medians, min(limits)


def timed(run: Callable[[], Any], repeats: int) -> float:
    start = time.process_time_ns()
    for _ in range(repeats):
        run()
    return (time.process_time_ns() - start) / repeats


if __name__ == "__main__":
    main()
