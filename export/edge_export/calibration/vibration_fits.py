"""Constants of the stage `lines`, from held-out healthy snapshots."""

import numpy as np

from edge_anomaly.scoring import loudness
from edge_export.calibration.fitting import Constants, Fitting
from edge_export.calibration.left_out import line_levels

__all__ = ["fit_lines"]

LINES = 300  # of the envelope; up to 2.9 kHz of 20: a dozen multiples of what balls beat
FLOOR = 1e-4  # of a standardised line and of a score: no division by nothing


def fit_lines(fitting: Fitting) -> Constants:
    """Healthy residuals of the envelope lines, then healthy levels of what they come to."""
    residual = fitting.tracks
    first = residual.shape[1] // 2
    shown = residual[:, first : first + min(LINES, first)]
    found: Constants = {
        "mean": fitting.per_device(lambda r: r.mean(axis=0, dtype=np.float64), shown),
        "deviation": fitting.per_device(lambda r: r.std(axis=0, dtype=np.float64) + FLOOR, shown),
        "loudness": fitting.per_device(
            lambda loud: np.median(loud, axis=0), loudness(fitting.batch.window)
        ),
    }
    levels = line_levels(fitting, found["mean"], found["deviation"])
    found["usual"] = fitting.per_device(lambda s: s.mean(axis=0, dtype=np.float64), levels)
    found["spread"] = fitting.per_device(lambda s: s.std(axis=0, dtype=np.float64) + FLOOR, levels)
    return found
