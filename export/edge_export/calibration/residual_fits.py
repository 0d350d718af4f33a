"""Constants of the stages that follow a model: of residuals, and of the scores made of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.scoring import smoothing_weight
from edge_export.calibration.fitting import Constants, Fitting
from edge_kernels import smooth

__all__ = ["fit_combine", "fit_reduce", "fit_smooth", "fit_standardise", "fit_whiten"]

Floats = NDArray[np.float32]

DEVIATION_FLOOR = 0.01  # scaled units: of the training range. A signal that stood still in
# healthy time would otherwise turn its smallest step into an alarm.
LEVEL = 0.99  # quantile that `smooth` takes as a score's healthy level
LEVEL_FLOOR = 0.1  # of that level: a device that never erred must not divide by nothing
RIDGE = 1e-2  # of the mean variance: residuals of one machine are nearly collinear


def fit_whiten(fitting: Fitting) -> Constants:
    """Each signal's lag-one regression coefficient, kept within 0..1."""

    def phi(r: Floats) -> NDArray[Any]:
        past, now = r[:-1].astype(np.float64), r[1:].astype(np.float64)
        energy = (past**2).sum(axis=0)
        slope = np.divide((past * now).sum(axis=0), energy, np.zeros_like(energy), where=energy > 0)
        kept: NDArray[Any] = slope.clip(0, 1)
        return kept

    return {"phi": fitting.per_device(phi, fitting.tracks[:, 0])}


def fit_standardise(fitting: Fitting) -> Constants:
    """Mean and deviation of each signal's residual, either way, with a floor."""
    size = np.abs(fitting.tracks).astype(np.float64)
    return {
        "mean": fitting.per_device(lambda r: r.mean(axis=0), size),
        "deviation": fitting.per_device(lambda r: r.std(axis=0) + DEVIATION_FLOOR, size),
    }


def fit_reduce(fitting: Fitting) -> Constants:
    """For Mahalanobis: mean and inverse covariance of the residuals, with a ridge."""
    if fitting.stage.how != "mahalanobis":
        return {}

    def precision(r: NDArray[Any]) -> NDArray[Any]:
        centred = r.astype(np.float64) - r.mean(axis=0, dtype=np.float64)  # (n, T, C)
        n, _, signals = centred.shape
        covariance = np.einsum("nti,ntj->tij", centred, centred) / n
        ridge = RIDGE * np.trace(covariance, axis1=1, axis2=2) / signals
        ridge = np.where(ridge > 0, ridge, 1.0)[:, np.newaxis, np.newaxis]
        inverse: NDArray[Any] = np.linalg.inv(covariance + ridge * np.eye(signals))
        return inverse

    return {
        "mean": fitting.per_device(lambda r: r.mean(axis=0, dtype=np.float64)),
        "precision": fitting.per_device(precision),
    }


def fit_smooth(fitting: Fitting) -> Constants:
    """Healthy levels of the score and of its average."""
    devices, tracks = len(fitting.manifest.devices), fitting.tracks.shape[1]
    # With the score's own level out of reach, the stage shows its running average.
    average_alone = np.ones((devices, tracks, 2), np.float32)
    average_alone[..., 0] = np.inf
    average = smooth(
        fitting.tracks,
        fitting.batch.device,
        average_alone,
        smoothing_weight(fitting.stage.minutes or 1.0, fitting.step_ns),
        np.full((devices, tracks), np.nan, np.float32),
    )
    levels = [_levels(fitting, values) for values in (fitting.tracks, average)]
    return {"scale": np.stack(levels, axis=-1)}


def fit_combine(fitting: Fitting) -> Constants:
    """Healthy levels that scores are compared by, where they are to be."""
    return {"scale": _levels(fitting, fitting.tracks)} if fitting.stage.scaled else {}


def _levels(fitting: Fitting, values: Floats) -> Floats:
    """What a score of healthy time rarely exceeds, (D, T)."""
    return fitting.per_device(
        lambda s: np.maximum(np.quantile(s, LEVEL, axis=0), LEVEL_FLOOR), values
    )
