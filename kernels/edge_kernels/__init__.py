"""Compiled kernels behind checked functions; imports nothing else of ours."""

import edge_kernels.cache  # noqa: F401  # before any kernel is defined
from edge_kernels.band import band_radius
from edge_kernels.dtw_batches import dtw_batch
from edge_kernels.dtw_pair import dtw
from edge_kernels.dtw_paths import dtw_path
from edge_kernels.elastic import blamed_span, elastic_errors
from edge_kernels.features import FEATURES, span_features
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
from edge_kernels.medians import Medians, new_medians, rolling_median
from edge_kernels.periods import Spectrum, dominant_periods, spectrum
from edge_kernels.profile import against_profile
from edge_kernels.reductions import (
    combine_log1p,
    largest_group,
    mahalanobis,
    mean_of_largest,
    mean_square,
    vote,
)
from edge_kernels.stages import smooth, standardise, whiten
from edge_kernels.warming import warm

__all__ = [
    "ACCEPTED",
    "DUPLICATE",
    "EMPTY",
    "FEATURES",
    "FUTURE",
    "LATE",
    "Due",
    "Forest",
    "Grid",
    "Medians",
    "Readings",
    "Spectrum",
    "against_profile",
    "band_radius",
    "blamed_span",
    "combine_log1p",
    "dominant_periods",
    "dtw",
    "dtw_batch",
    "dtw_path",
    "elastic_errors",
    "expire",
    "forest_scores",
    "ingest",
    "largest_group",
    "mahalanobis",
    "mean_of_largest",
    "mean_square",
    "new_due",
    "new_grid",
    "new_medians",
    "rolling_median",
    "smooth",
    "span_features",
    "spectrum",
    "standardise",
    "vote",
    "warm",
    "whiten",
]
