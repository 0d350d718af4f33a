"""Large batches in blocks of rows.

What one layer of a graph hands to the next should not leave the processor's cache. Where the
weights are few and the rows are large a run of fewer rows is the faster one; a graph says so
itself.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROWS", "in_blocks"]

ROWS = "rows"  # name of a graph's property: the most rows that a run of it should be given

Rows = NDArray[Any]


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
