"""Compiled kernels behind checked functions; imports nothing else of ours."""

import edge_kernels.cache  # noqa: F401  # before any kernel is defined
from edge_kernels.band import band_radius
from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_pair import dtw
from edge_kernels.dtw_paths import dtw_path
from edge_kernels.forest import Forest, forest_scores
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
from edge_kernels.warming import warm

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "EMPTY",
    "FUTURE",
    "LATE",
    "Due",
    "Forest",
    "Grid",
    "Readings",
    "band_radius",
    "combine_log1p",
    "dtw",
    "dtw_batch",
    "dtw_path",
    "expire",
    "forest_scores",
    "ingest",
    "mean_of_largest",
    "new_due",
    "new_grid",
    "smooth",
    "standardise",
    "warm",
    "whiten",
]
