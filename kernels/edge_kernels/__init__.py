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
    EMPTY,
    LAST,
    MAX,
    MEAN,
    MIN,
    NEVER,
    Due,
    Grid,
    Readings,
    grid_state,
    new_due,
    new_grid,
    restore_grid,
    roomy,
)
from edge_kernels.lines import strongest_lines
from edge_kernels.medians import Medians, new_medians, rolling_median
from edge_kernels.periods import Spectrum, dominant_periods, spectrum
from edge_kernels.placing import (
    ACCEPTED,
    CROWDED,
    DUPLICATE,
    FUTURE,
    LATE,
    RESTARTED,
    end_hold,
    expire,
    forget_device,
    ingest,
    samples,
)
from edge_kernels.profile import against_profile
from edge_kernels.reductions import (
    combine_log1p,
    largest_group,
    mahalanobis,
    mean_of_largest,
    mean_square,
    vote,
)
from edge_kernels.stages import recent_energy, smooth, standardise, whiten
from edge_kernels.warming import warm
from edge_kernels.welch import spectra

__all__ = [
    "ACCEPTED",
    "CROWDED",
    "DUPLICATE",
    "EMPTY",
    "FEATURES",
    "FUTURE",
    "LAST",
    "LATE",
    "MAX",
    "MEAN",
    "MIN",
    "NEVER",
    "RESTARTED",
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
    "end_hold",
    "expire",
    "forest_scores",
    "forget_device",
    "grid_state",
    "ingest",
    "largest_group",
    "mahalanobis",
    "mean_of_largest",
    "mean_square",
    "new_due",
    "new_grid",
    "new_medians",
    "recent_energy",
    "restore_grid",
    "rolling_median",
    "roomy",
    "samples",
    "smooth",
    "span_features",
    "spectra",
    "spectrum",
    "standardise",
    "strongest_lines",
    "vote",
    "warm",
    "whiten",
]
