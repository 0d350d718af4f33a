"""Rows on disk: added when a cell is done, so that a run that was ended goes on where it was."""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from accuracy.cells import Cell

__all__ = ["Row", "begin", "done", "drop", "read", "write"]

DONE = "seconds"  # the last row of every cell: what it took


@dataclass(frozen=True)
class Row:
    """One figure."""

    ground: str
    entity: str
    family: str
    preset: str
    seed: int
    metric: str
    value: float | None  # None: undefined, such as the delay when nothing was detected

    @classmethod
    def of(cls, cell: Cell, metric: str, value: float) -> "Row":
        """A figure of `cell`."""
        return cls(**asdict(cell), metric=metric, value=value if math.isfinite(value) else None)


def read(path: Path) -> Iterator[Row]:
    """Rows in the order in which they were added; a line cut short by a crash is left out."""
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield Row(**{field.name: row[field.name] for field in fields(Row)})


def begin(path: Path, results: Path) -> None:
    """Where there are no rows yet, go on from the results of an earlier run."""
    if path.exists() or not results.exists():
        return
    found = json.loads(results.read_text("utf-8"))
    path.write_text("".join(json.dumps(row) + "\n" for row in found), "utf-8")


def done(rows: Sequence[Row]) -> set[tuple[str, ...]]:
    """Keys of the cells whose rows are all there."""
    return {
        Cell(row.ground, row.entity, row.family, row.preset, row.seed).key
        for row in rows
        if row.metric == DONE
    }


def drop(path: Path, cells: Sequence[Cell]) -> None:
    """Forget what these cells brought: their recipe has changed, and rows of two never mix."""

    def stale(row: Row) -> bool:
        return any(
            (row.ground, row.family, row.preset, row.seed)
            == (cell.ground, cell.family, cell.preset, cell.seed)
            and cell.entity in {"all", row.entity}
            for cell in cells
        )

    kept = [row for row in read(path) if not stale(row)]
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in kept), "utf-8")


def write(path: Path, cell: Cell, rows: Sequence[Row], seconds: float) -> None:
    """Add a cell's rows, all or none, then that it is done."""
    last = Row.of(cell, DONE, round(seconds, 1))
    text = "".join(json.dumps(asdict(row)) + "\n" for row in (*rows, last))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
