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

from edge_anomaly.errors import RecordingError
from edge_anomaly.files.bundle import Branch, Manifest, Stage, Threshold
from edge_anomaly.scoring import (
    HOURLY,
    Batch,
    Recipe,
    constant_key,
    hour_of_week,
    side_by_side,
)
from edge_export.calibration.fitting import Constants, Fit, Fitting
from edge_export.calibration.left_out import LEFT_OUT
from edge_export.calibration.residual_fits import (
    fit_combine,
    fit_reduce,
    fit_smooth,
    fit_standardise,
    fit_whiten,
)
from edge_export.calibration.rhythm_fits import fit_features, fit_forest, fit_profile
from edge_export.calibration.rules import BUDGET, HOUR_OF_WEEK, Rule
from edge_export.calibration.vibration_fits import fit_lines

__all__ = ["FITS", "LEARNT", "MINIMUM", "calibrate", "thresholds", "without_themselves"]

Floats = NDArray[np.float32]

MINIMUM = 30  # held-out windows of a device below which no deviation is worth the name
SAME = 1e-3  # of the largest: constants that differ by less came of the same windows
DAYS_TO_COUNT = 100  # of healthy time, to count alarms of a budget in


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


def without_themselves(
    manifest: Manifest, constants: Mapping[str, NDArray[Any]], held: Sequence[Batch]
) -> Floats:
    """Scores of the windows that `calibrate` was given, each by what all the others say, (N,).

    A bundle scores them too low: its constants come of these very windows. These are the scores
    that its thresholds came of, and that other thresholds may come of.

    Args:
        manifest: Of the bundle.
        constants: All of its calibration.npz.
        held: What each branch's graph answers to the held-out windows.
    """

    def run(branch: Branch | None, tracks: Floats, batch: Batch) -> Floats:
        stages = manifest.recipe if branch is None else branch.recipe
        for position, stage in enumerate(stages):
            seen = Fitting(stage, branch, manifest, tracks, batch)
            tracks = Recipe(manifest, constants, branch, slice(position, position + 1)).run(
                tracks, batch
            )
            if stage.stage in LEFT_OUT:
                prefix = constant_key(position, stage.stage, "", branch.name if branch else "")
                fitted = {
                    key.removeprefix(prefix): value
                    for key, value in constants.items()
                    if key.startswith(prefix)
                }
                # A family may have brought its own, from what it learnt from: those stand.
                if _same(FITS[stage.stage](seen), fitted):
                    tracks = LEFT_OUT[stage.stage](seen, fitted, tracks)
        return tracks

    ends = [
        run(branch, batch.residual, batch)
        for branch, batch in zip(manifest.branches, held, strict=True)
    ]
    return run(None, side_by_side(ends), held[0])[:, 0]


def _same(fitted: Constants, others: Constants) -> bool:
    """Whether constants are equal but for what processors differ by."""
    return all(
        np.abs(value - others[name]).max() <= SAME * np.abs(value).max()
        for name, value in fitted.items()
    )


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


FITS: dict[str, Fit] = {
    "combine": fit_combine,
    "lines": fit_lines,
    "reduce": fit_reduce,
    "smooth": fit_smooth,
    "standardise": fit_standardise,
    "whiten": fit_whiten,
}
LEARNT: dict[str, Fit] = {
    "features": fit_features,
    "forest": fit_forest,
    "profile": fit_profile,
}
