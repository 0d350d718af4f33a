"""How a graph asks to be run, in properties of its own file.

Where the weights are few and the rows are large, what one layer hands to the next should not
leave the processor's cache: a run of fewer rows is the faster one. And what a loop hands from
turn to turn is better taken from the system than from the runtime's arena, which has one lock
for all threads.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Wishes", "in_blocks"]

ROWS, ARENA = "rows", "arena"  # names of the properties

Rows = NDArray[Any]


@dataclass(frozen=True)
class Wishes:
    """What a graph asks for; nothing by default."""

    rows: int | None = None  # the most that a run should be given
    arena: bool = True  # whether the runtime may keep memory for the next run

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> "Wishes":
        """Those in the properties of a file, among others.

        Raises:
            ValueError: One of them makes no sense; names it.
        """
        rows, arena = properties.get(ROWS), properties.get(ARENA, "yes")
        if rows is not None and not (rows.isdecimal() and int(rows) > 0):
            raise ValueError(f"its property {ROWS} is {rows!r}, not a number from 1")
        if arena not in {"yes", "no"}:
            raise ValueError(f"its property {ARENA} is {arena!r}, neither yes nor no")
        return cls(None if rows is None else int(rows), arena == "yes")

    @property
    def properties(self) -> dict[str, str]:
        """What `of` reads; wishes that are not there are left out."""
        rows = {} if self.rows is None else {ROWS: str(self.rows)}
        return rows if self.arena else rows | {ARENA: "no"}


def in_blocks(
    run: Callable[[dict[str, Rows]], Sequence[Rows]], feed: Mapping[str, Rows], rows: int | None
) -> Sequence[Rows]:
    """What `run` answers to all of `feed`, given at most `rows` of it at a time.

    Args:
        run: Answers each row by itself; the first axis of all that it takes and gives is the
            batch, (B, ...).
        feed: By name, B rows each.
        rows: At least 1; None gives all at once.
    """
    size = len(next(iter(feed.values())))
    if rows is None or size <= rows:
        return run(dict(feed))
    parts = [
        run({name: value[start : start + rows] for name, value in feed.items()})
        for start in range(0, size, rows)
    ]
    return [np.concatenate(answers) for answers in zip(*parts, strict=True)]
