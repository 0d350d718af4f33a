"""Writes the table of what kernels cost before their first result, a process each.

python bench/cold_start.py [FILE]: Markdown, to bench/results/cold-start.md by default.

Every figure is the median of fresh processes, on the wall clock: cold with an empty
folder for compiled kernels, warm with a filled one.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine

COLD, WARM = 3, 7  # processes
PROCESS = """
import json, resource, sys, time
start = time.perf_counter()
import numpy, numba
libraries = time.perf_counter()
import edge_kernels
ours = time.perf_counter()
from edge_kernels.warming import WARMERS
for name in sys.argv[1:] or WARMERS:
    WARMERS[name]()
called = time.perf_counter()
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([libraries - start, ours - libraries, called - ours, memory]))
"""


def main() -> None:
    from edge_kernels.warming import WARMERS  # noqa: PLC0415  # not timed here

    here = Path(__file__).parent
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "results" / "cold-start.md"
    lines = [row(name, (name,)) for name in WARMERS]
    lines.append(row("all of them", ()))
    file.write_text(
        f"# Before the first result\n\n{machine(('numba', 'numpy'))}\n\n{HEAD}{''.join(lines)}",
        "utf-8",
    )
    sys.stdout.write(file.read_text("utf-8"))


def row(name: str, groups: tuple[str, ...]) -> str:
    """A line of the table: the kernels of `groups`, cold and warm."""
    with tempfile.TemporaryDirectory() as folder:
        cold = [measured(groups, f"{folder}/{i}") for i in range(COLD)]
        warm = [measured(groups, f"{folder}/0") for _ in range(WARM)]
    libraries, ours, cached, memory = medians(warm)
    _, _, compiled, most = medians(cold)
    return (
        f"| {name} | {libraries:.2f} + {ours:.2f} s | {compiled:.1f} s | {cached:.2f} s "
        f"| {memory:.0f} MB | {most:.0f} MB |\n"
    )


def measured(groups: tuple[str, ...], cache: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, *groups],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"NUMBA_CACHE_DIR": cache},
    )
    return list(map(float, json.loads(done.stdout)))


def medians(runs: list[list[float]]) -> list[float]:
    return [statistics.median(values) for values in zip(*runs, strict=True)]


HEAD = """\
Importing numba with numpy, and our kernels after them; then the first call of every kernel
of a group, of every type it is used with: compiled, or loaded from the cache; and the most
memory the process held.

| kernels | import | first call, cold | first call, cached | memory, cached | memory, cold |
|---|---:|---:|---:|---:|---:|
"""

if __name__ == "__main__":
    main()
