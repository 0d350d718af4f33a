"""Held-out windows by constants that they had no part in.

A stage's constants and the limit behind them come of the same held-out windows. Each lies closer
to a mean and a spread that it is part of than a new window will, so that more new ones than asked
for would exceed the limit: with a hundred snapshots and 300 lines to know, 11 % instead of 1 %.
What the constants of all other windows would have said follows from a window's own deviation
(Sherman and Morrison, Annals of Mathematical Statistics 21, 1950).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_export.calibration.fitting import Constants, Fitting
from edge_kernels import strongest_lines

__all__ = ["LEFT_OUT", "line_levels"]

Floats = NDArray[np.float32]
Again = Callable[[Fitting, Constants, Floats], Floats]  # what was fitted, what the stage made


def _widened(square: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """d2 by mean and metric of n windows, to d2 by those of the other n - 1.

    Exact for population variances; a ridge is taken to shrink along with n.
    """
    found: NDArray[np.float64] = n / (n - 1) * square / np.maximum(1 - square / (n - 1), 1 / n)
    return found


def _distances(fitting: Fitting, _fitted: Constants, distance: Floats) -> Floats:
    """Of `reduce` by Mahalanobis, (N, T)."""
    if fitting.stage.how != "mahalanobis":
        return distance
    found = distance.astype(np.float64)
    for mine, n in _devices(fitting):
        found[mine] = np.sqrt(_widened(found[mine] ** 2, n))
    return found.astype(np.float32)


def line_levels(fitting: Fitting, mean: Floats, deviation: Floats) -> Floats:
    """What `strongest_lines` finds, each line by its deviation in all other windows, (N, 2, C)."""
    residual, device = fitting.tracks, fitting.batch.device
    first, k = residual.shape[1] // 2, fitting.stage.largest or 1
    levels = strongest_lines(residual, device, mean, deviation, first=first, k=k)
    shown = residual[:, first : first + mean.shape[1]]
    for mine, n in _devices(fitting):
        row = device[np.flatnonzero(mine)[0]]
        off = (shown[mine].astype(np.float64) - mean[row]) / deviation[row]
        wide = np.copysign(np.sqrt(_widened(off**2, n)), off)
        strongest = np.partition(np.maximum(wide, 0), -k, axis=1)[:, -k:]
        levels[mine, 1] = strongest.mean(axis=1)
    return levels


def _lines(fitting: Fitting, fitted: Constants, _judged: Floats) -> Floats:
    """Of `lines`, (N, 2, C)."""
    levels = line_levels(fitting, fitted["mean"], fitted["deviation"])
    device = fitting.batch.device
    judged = (levels - fitted["usual"][device]) / fitted["spread"][device]
    return judged.astype(np.float32)


def _devices(fitting: Fitting) -> list[tuple[NDArray[np.bool_], int]]:
    """Windows of each device, and how many."""
    device = fitting.batch.device
    return [(device == d, int((device == d).sum())) for d in np.unique(device)]


LEFT_OUT: dict[str, Again] = {"lines": _lines, "reduce": _distances}
