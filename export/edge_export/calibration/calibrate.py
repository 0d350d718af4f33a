"""Constants of score recipes and thresholds, from healthy time alone.

Each stage's constants are fitted on what the stages before it, run by the agent's own code,
make of held-out residuals: those of the model's own training windows are too small. FITS says
how, LEARNT of stages that learn like a model, from the windows that it learnt from. No function
here takes labels.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import ConfigError, RecordingError
from edge_anomaly.files.bundle import Branch, Manifest, Stage, Threshold
from edge_anomaly.scoring import (
    HOURLY,
    Batch,
    Recipe,
    constant_key,
    hour_of_week,
    side_by_side,
    smoothing_weight,
)
from edge_export.calibration.fitting import Constants, Fit, Fitting
from edge_export.calibration.left_out import LEFT_OUT
from edge_export.calibration.rhythm_fits import fit_features, fit_forest, fit_profile
from edge_export.calibration.rules import BUDGET, HOUR_OF_WEEK, MEAN_STD, QUANTILE, Rule
from edge_export.calibration.vibration_fits import fit_lines
from edge_kernels import smooth

__all__ = [
    "FITS",
    "LEARNT",
    "MEAN_STD",
    "MINIMUM",
    "QUANTILE",
    "Fitting",
    "Rule",
    "calibrate",
    "check_statistic",
    "default_recipe",
    "distance_recipe",
    "recipe_of",
    "thresholds",
]

Floats = NDArray[np.float32]

MINIMUM = 30  # held-out windows of a device below which no deviation is worth the name
DEVIATION_FLOOR = 0.01  # scaled units: of the training range. A signal that stood still in
# healthy time would otherwise turn its smallest step into an alarm.
LEVEL = 0.99  # quantile that `smooth` takes as a score's healthy level
LEVEL_FLOOR = 0.1  # of that level: a device that never erred must not divide by nothing
FEW_SIGNALS = 20
DAYS_TO_COUNT = 100  # of healthy time, to count alarms of a budget in
RIDGE = 1e-2  # of the mean variance: residuals of one machine are nearly collinear
STATISTICS = ("residual", "mahalanobis")  # what of a network's residual may count


def default_recipe(signals: int, *, minutes: float = 12.0, with_raw: bool = True) -> list[Stage]:
    """The recipe that carries every family (research: last step, both tracks, smoothed).

    Args:
        signals: C; below 20 the three largest count, else the five largest.
        minutes: Time constant of the average; 12 min is alpha 0.08 at one minute and 0.34
            at five, where 0.1 and 0.3 were best on SMD and ASD.
        with_raw: Whether the residual counts beside what whitening leaves of it.
    """
    largest = min(signals, 3 if signals < FEW_SIGNALS else 5)
    return [
        Stage(stage="residual"),
        Stage(stage="whiten", with_raw=with_raw),
        Stage(stage="standardise"),
        Stage(stage="blame", minutes=minutes),
        Stage(stage="reduce", largest=largest),
        Stage(stage="smooth", minutes=minutes),
        Stage(stage="combine"),
        Stage(stage="smooth", minutes=minutes),
    ]


def distance_recipe(minutes: float = 12.0) -> list[Stage]:
    """The Mahalanobis distance of the last step's residual, smoothed.

    For processes whose signals are correlated and whose noise is Gaussian (research: best on the
    Tennessee Eastman process, worse than `default_recipe` on servers).

    Args:
        minutes: Time constant of the average.
    """
    return [
        Stage(stage="residual"),
        Stage(stage="reduce", how="mahalanobis"),
        Stage(stage="smooth", minutes=minutes),
    ]


def recipe_of(statistic: str, signals: int, minutes: float) -> list[Stage]:
    """The recipe that a network's `statistic` names, one that `check_statistic` lets pass."""
    if statistic == "mahalanobis":
        return distance_recipe(minutes)
    return default_recipe(signals, minutes=minutes)


def check_statistic(statistic: str) -> None:
    """Refuse a name that is none.

    Raises:
        ConfigError: Names those that there are.
    """
    if statistic not in STATISTICS:
        raise ConfigError(f"statistic: no {statistic!r}; there are {', '.join(STATISTICS)}")


def calibrate(
    manifest: Manifest,
    given: Mapping[str, NDArray[Any]],
    held: Sequence[Batch],
    rule: Rule,
    learnt: Callable[[], Sequence[Batch]] | None = None,
) -> tuple[Constants, Threshold]:
    """Fit the constants of all recipes, stage by stage, then the thresholds.

    Args:
        manifest: Devices, period, branches and recipes.
        given: Arrays that are there already: scaling, and constants that the family fitted.
        held: What each branch's graph answers to healthy windows the model was not trained
            on, in time order within each device.
        rule: How a threshold follows from scores.
        learnt: The same of the windows that it was trained on; called where a stage asks.

    Returns:
        All arrays of calibration.npz, and what the manifest says about the thresholds.

    Raises:
        RecordingError: A device has too few held-out windows.
    """
    devices, device = len(manifest.devices), held[0].device
    counts = np.bincount(device, minlength=devices)
    if counts.min() < MINIMUM:
        name = manifest.devices[int(counts.argmin())]
        raise RecordingError(
            f"{name}: {counts.min()} held-out windows, at least {MINIMUM} are needed: record longer"
        )
    constants: Constants = dict(given)
    sides = [list(held)]
    stages = [*manifest.recipe, *(s for branch in manifest.branches for s in branch.recipe)]
    if learnt is not None and any(stage.stage in LEARNT for stage in stages):
        sides.append(list(learnt()))
    ends = []
    for at, branch in enumerate(manifest.branches):
        start = [side[at].residual for side in sides]
        batches = [side[at] for side in sides]
        ends.append(_fit_recipe(manifest, branch, start, batches, constants))
    joined = [side_by_side([end[i] for end in ends]) for i in range(len(sides))]
    scores = _fit_recipe(manifest, None, joined, [side[0] for side in sides], constants)
    score = scores[0][:, 0]
    whole = Fitting(Stage(stage="threshold"), None, manifest, score, held[0])
    if rule.name == BUDGET and len(sides) > 1:
        whole = _prolonged(whole, scores[1][:, 0], sides[1][0])
    constants |= thresholds(manifest, whole.tracks, whole.batch.device, held[0].end_ns, rule)
    return constants, rule.said(int(counts.min()))


def thresholds(
    manifest: Manifest,
    score: Floats,
    device: NDArray[np.int64],
    end_ns: NDArray[np.int64],
    rule: Rule,
) -> Constants:
    """The arrays of calibration.npz that say when a score is too high.

    Args:
        manifest: Devices, all of which must have scores; period and hop.
        score: Of healthy windows, shape (N,), in time order within each device.
        device: Shape (N,).
        end_ns: End of each window, shape (N,); what goes by the hour reads it.
        rule: How thresholds follow from scores.
    """
    step_ns = manifest.period_ns * manifest.branches[0].hop
    own = [score[device == d] for d in range(len(manifest.devices))]
    usual = np.array([max(1e-6, rule.threshold(s, step_ns)) for s in own], np.float32)
    found: Constants = {"threshold": usual}
    if rule.name == HOUR_OF_WEEK:
        hour = hour_of_week(end_ns, manifest.utc_offset_minutes)
        found[HOURLY] = np.stack(
            [
                rule.by_hour(s, hour[device == d], float(level))
                for d, (s, level) in enumerate(zip(own, usual, strict=True))
            ]
        )
    return found


def _prolonged(held: Fitting, learnt: Floats, windows: Batch) -> Fitting:
    """Scores to count alarms in: held-out ones and, before them, as many days as are wanting.

    A month says little of what happens once in ten days. Where nothing but tables and forests was
    learnt, which hardly know a window again, the newest of the time that they learnt from does.
    """
    wanted = round(DAYS_TO_COUNT * 86_400e9 / held.step_ns)
    score, device = [held.tracks], [held.batch.device]
    for d in range(len(held.manifest.devices)):
        missing = wanted - int((held.batch.device == d).sum())
        mine = np.flatnonzero(windows.device == d)
        mine = mine[-missing:] if missing > 0 else mine[:0]
        score.insert(0, learnt[mine])
        device.insert(0, windows.device[mine])
    batch = dataclasses.replace(held.batch, device=np.concatenate(device))
    return dataclasses.replace(held, tracks=np.concatenate(score), batch=batch)


def _fit_recipe(
    manifest: Manifest,
    branch: Branch | None,
    tracks: list[Floats],
    batches: Sequence[Batch],
    constants: Constants,
) -> list[Floats]:
    """Fit and run one recipe; `tracks` and `batches` are of held-out windows, then of learnt."""
    stages = manifest.recipe if branch is None else branch.recipe
    for position, stage in enumerate(stages):
        prefix = constant_key(position, stage.stage, "", "" if branch is None else branch.name)
        known = any(key.startswith(prefix) for key in constants)
        fit = LEARNT.get(stage.stage) or FITS.get(stage.stage)
        seen, fitted = None, Constants()
        if fit is not None and not known:
            side = -1 if stage.stage in LEARNT else 0
            seen = Fitting(stage, branch, manifest, tracks[side], batches[side])
            fitted = fit(seen)
            constants.update({prefix + name: value for name, value in fitted.items()})
        recipes = [
            Recipe(manifest, constants, branch, slice(position, position + 1)) for _ in tracks
        ]
        tracks = [
            recipe.run(mine, batch)
            for recipe, mine, batch in zip(recipes, tracks, batches, strict=True)
        ]
        if seen is not None and stage.stage in LEFT_OUT:
            tracks[0] = LEFT_OUT[stage.stage](seen, fitted, tracks[0])
    return tracks


def _fit_whiten(fitting: Fitting) -> Constants:
    """Each signal's lag-one regression coefficient, kept within 0..1."""

    def phi(r: Floats) -> NDArray[Any]:
        past, now = r[:-1].astype(np.float64), r[1:].astype(np.float64)
        energy = (past**2).sum(axis=0)
        slope = np.divide((past * now).sum(axis=0), energy, np.zeros_like(energy), where=energy > 0)
        kept: NDArray[Any] = slope.clip(0, 1)
        return kept

    return {"phi": fitting.per_device(phi, fitting.tracks[:, 0])}


def _fit_standardise(fitting: Fitting) -> Constants:
    size = np.abs(fitting.tracks).astype(np.float64)
    return {
        "mean": fitting.per_device(lambda r: r.mean(axis=0), size),
        "deviation": fitting.per_device(lambda r: r.std(axis=0) + DEVIATION_FLOOR, size),
    }


def _fit_reduce(fitting: Fitting) -> Constants:
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


def _fit_smooth(fitting: Fitting) -> Constants:
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


def _fit_combine(fitting: Fitting) -> Constants:
    return {"scale": _levels(fitting, fitting.tracks)} if fitting.stage.scaled else {}


def _levels(fitting: Fitting, values: Floats) -> Floats:
    """What a score of healthy time rarely exceeds, (D, T)."""
    return fitting.per_device(
        lambda s: np.maximum(np.quantile(s, LEVEL, axis=0), LEVEL_FLOOR), values
    )


FITS: dict[str, Fit] = {
    "combine": _fit_combine,
    "lines": fit_lines,
    "reduce": _fit_reduce,
    "smooth": _fit_smooth,
    "standardise": _fit_standardise,
    "whiten": _fit_whiten,
}
LEARNT: dict[str, Fit] = {
    "features": fit_features,
    "forest": fit_forest,
    "profile": fit_profile,
}
