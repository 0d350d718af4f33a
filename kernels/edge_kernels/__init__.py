"""Compiled kernels behind checked functions; imports nothing else of ours."""

import edge_kernels.cache  # noqa: F401  # before any kernel is defined
from edge_kernels.band import band_radius
from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_pair import dtw
from edge_kernels.dtw_paths import dtw_path
from edge_kernels.forest import Forest, forest_scores
from edge_kernels.warming import warm

__all__ = [
    "Forest",
    "band_radius",
    "dtw",
    "dtw_batch",
    "dtw_path",
    "forest_scores",
    "warm",
]
