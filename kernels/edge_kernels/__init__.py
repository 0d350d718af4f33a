"""Compiled kernels behind checked functions; imports nothing else of ours."""

from edge_kernels.grid import (
    ACCEPTED,
    DUPLICATE,
    EMPTY,
    FUTURE,
    LATE,
    Due,
    Grid,
    Readings,
    expire,
    ingest,
    new_due,
    new_grid,
)
from edge_kernels.stages import (
    combine_log1p,
    mean_of_largest,
    smooth,
    standardise,
    whiten,
)

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "EMPTY",
    "FUTURE",
    "LATE",
    "Due",
    "Grid",
    "Readings",
    "combine_log1p",
    "expire",
    "ingest",
    "mean_of_largest",
    "new_due",
    "new_grid",
    "smooth",
    "standardise",
    "whiten",
]
