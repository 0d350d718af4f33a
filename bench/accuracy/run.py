"""Run what was not run yet, and write results.json and the tables.

make accuracy                                   # hours; may be ended and begun again
python -m accuracy.run --fast                   # what CI runs, minutes
python -m accuracy.run --only smd gevae,pca     # cells of that ground and these families
python -m accuracy.run --again --only smd pca   # anew: the recipe has changed
python -m accuracy.run --tables                 # only the tables, from what is there
"""

import argparse
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from accuracy import bearings, power, processes, servers, store, tables
from accuracy.bundles import known
from accuracy.cells import REFERENCES, Cell, cells
from edge_anomaly.errors import AgentError

__all__ = ["main"]

HERE = Path(__file__).parent
RUNNERS: Mapping[str, Callable[[Cell], Iterator[store.Row]]] = {
    "asd": servers.run,
    "smd": servers.run,
    "skab": processes.run_skab,
    "tep": processes.run_tep,
    "steel": power.run,
    "power_demand": power.run,
    "bearing": bearings.run_generator,
    "cwru": bearings.run_cwru,
    "pronostia": bearings.run_pronostia,
    "ims": bearings.run_ims,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 1 when a cell failed, whose error is on stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--fast", action="store_true", help="only what CI has the time for")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="some cells")
    parser.add_argument("--seeds", type=int, default=1, help="of networks (default 1)")
    parser.add_argument("--rows", type=Path, default=HERE / "rows.ndjson", help="where rows go")
    parser.add_argument("--out", type=Path, default=HERE, help="where results.json and tables go")
    parser.add_argument("--for", type=float, dest="seconds", help="begin no cell after so long")
    parser.add_argument("--again", action="store_true", help="drop the rows of these cells first")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    failed = 0
    store.begin(arguments.rows, arguments.out / "results.json")
    if not arguments.tables:
        wanted = [
            cell
            for cell in cells(fast=arguments.fast, seeds=arguments.seeds)
            if all(set(word.split(",")) & set(cell.key) for word in arguments.only)
        ]
        if arguments.again:
            store.drop(arguments.rows, wanted)
        failed = _run(wanted, arguments.rows, arguments.seconds or math.inf)
    rows = list(store.read(arguments.rows))
    found = [asdict(row) for row in rows]
    text = "[\n" + ",\n".join(json.dumps(row) for row in found) + "\n]\n"
    (arguments.out / "results.json").write_text(text, "utf-8")
    (arguments.out / "README.md").write_text(tables.report(rows), "utf-8")
    return 1 if failed else 0


def _run(wanted: Sequence[Cell], rows: Path, seconds: float) -> int:
    """How many cells failed."""
    failed, begun = 0, time.perf_counter()
    before = store.done(list(store.read(rows)))
    for number, cell in enumerate(wanted, start=1):
        runner = RUNNERS.get(cell.ground)
        if cell.key in before or runner is None:
            continue
        if time.perf_counter() - begun > seconds:
            sys.stderr.write("the rest another time\n")
            break
        if cell.family not in REFERENCES and not known(cell.family):
            sys.stderr.write(f"{cell.name}: no such family yet\n")
            continue
        started = time.perf_counter()
        try:
            found = list(runner(cell))
        except AgentError as exc:
            failed += 1
            sys.stderr.write(f"{cell.name}: {type(exc).__name__}: {exc}\n")
            continue
        took = time.perf_counter() - started
        store.write(rows, cell, found, took)
        sys.stderr.write(f"{number}/{len(wanted)} {cell.name}: {took:.0f} s\n")
    return failed


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Leaves the docstring's lines as they are."""


if __name__ == "__main__":
    sys.exit(main())
