"""The stages of a score recipe: thin wrappers over kernels, in the one table that names them.

Tracks are (B, T, C) until `reduce` and (B, T) after it. A stage is a function that takes a
`Part` and returns a `Step`; to add one, write it (in a file of its own where it is long), add
it to STAGES here, its members to `manifest.Stage`, and how its constants are fitted to FITS of
`edge_export.calibration.calibrate`. A stage in BEFORE comes first in a branch and changes what
the graph is given.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from edge_anomaly.scoring.batch import Batch, Floats, Part, Step
from edge_anomaly.scoring.isolation import forest
from edge_anomaly.scoring.rhythm import elastic, features, profile
from edge_anomaly.scoring.vibration import lines, spectrum
from edge_kernels import (
    combine_log1p,
    largest_group,
    mahalanobis,
    mean_of_largest,
    mean_square,
    recent_energy,
    smooth,
    standardise,
    vote,
    whiten,
)

__all__ = ["BEFORE", "STAGES", "Before", "Build", "smoothing_weight"]

Build = Callable[[Part], Step]
Before = Callable[[Part], Callable[[Floats], Floats]]  # (B, W, C) -> (B, F, C)


def smoothing_weight(minutes: float, step_ns: int) -> float:
    """Weight of the newest score for an average with a time constant of `minutes`.

    Args:
        minutes: Time constant.
        step_ns: Time from window to window.
    """
    return -math.expm1(-step_ns / (minutes * 60e9))


def _residual(part: Part) -> Step:
    if part.stage.span == "whole":
        return lambda tracks, _batch: tracks
    steps = 1 if part.stage.span == "last" else int(part.parameter("steps"))
    return lambda tracks, _batch: tracks[:, -steps:]


def _whiten(part: Part) -> Step:
    phi = part.constant("phi", (part.devices, part.signals))
    last = part.memory.add(part.key("last"), phi.shape)

    def step(tracks: Floats, batch: Batch) -> Floats:
        raw = np.ascontiguousarray(tracks[:, 0])
        white = whiten(raw, batch.device, phi, last)
        return np.stack([raw, white] if part.stage.with_raw else [white], axis=1)

    return step


def _standardise(part: Part) -> Step:
    shape = (part.devices, None, part.signals)
    mean, deviation = part.constant("mean", shape), part.constant("deviation", shape)
    if not (deviation > 0).all():
        raise part.refuse("has a deviation that is not positive")

    def step(tracks: Floats, batch: Batch) -> Floats:
        sizes = standardise(tracks, batch.device, mean, deviation)
        batch.deviation = sizes.max(axis=1)
        return sizes

    return step


def _blame(part: Part) -> Step:
    """Blame signals by what is new: the recent energy of the last track, the whitened one.

    What a window leaves of its own past says what changed, and levels that drifted long ago say
    nothing; an alarm is told some windows after the change, hence the average. Squares, as in
    contribution plots of SPE (Miller, Swanson and Heckler, 1998).
    """
    alpha = smoothing_weight(part.parameter("minutes"), part.step_ns)
    average = part.memory.add(part.key("average"), (part.devices, part.signals))

    def step(tracks: Floats, batch: Batch) -> Floats:
        newest = np.ascontiguousarray(tracks[:, -1])
        batch.deviation = recent_energy(newest, batch.device, alpha, average)
        return tracks

    return step


def _reduce(part: Part) -> Step:
    how = part.stage.how or "largest"
    if how not in _REDUCTIONS:
        raise part.refuse(f"has no {how!r}; there are {', '.join(sorted(_REDUCTIONS))}")
    reduction = _REDUCTIONS[how](part)
    if not part.stage.pool:
        return reduction

    def step(tracks: Floats, batch: Batch) -> Floats:
        steps = tracks.shape[1]
        pooled = tracks.reshape(len(tracks), 1, steps * tracks.shape[2])
        return reduction(pooled, batch)

    return step


def _largest(part: Part) -> Step:
    largest = int(part.parameter("largest"))
    if largest > part.signals:
        raise part.refuse(f"takes the {largest} largest of {part.signals} signals")
    return lambda tracks, _batch: mean_of_largest(tracks, largest)


def _mean_square(part: Part) -> Step:
    signals = part.signals

    def step(tracks: Floats, batch: Batch) -> Floats:
        if batch.deviation is None:
            with np.errstate(over="ignore", invalid="ignore"):
                steps = tracks.reshape(len(tracks), -1, signals)
                batch.deviation = np.mean(np.square(steps), axis=1, dtype=np.float32)
        return mean_square(tracks)

    return step


def _mahalanobis(part: Part) -> Step:
    d, c = part.devices, part.signals
    mean = part.constant("mean", (d, None, c))
    precision = part.constant("precision", (d, mean.shape[1], c, c))

    def step(tracks: Floats, batch: Batch) -> Floats:
        distance, parts = mahalanobis(tracks, batch.device, mean, precision)
        batch.deviation = parts.max(axis=1)
        return distance

    return step


def _groups(part: Part) -> Step:
    names = [signal.name for signal in part.manifest.signals]
    group = np.full(len(names), -1, np.int64)
    for number, members in enumerate(part.parameter("groups")):
        for name in members:
            if name not in names or group[names.index(name)] >= 0:
                raise part.refuse(f"has a group with {name!r}, which is no signal or there twice")
            group[names.index(name)] = number
    if (group < 0).any():
        raise part.refuse(f"has no group for {names[int(group.argmin())]!r}")
    pool = part.stage.pool

    def step(tracks: Floats, batch: Batch) -> Floats:
        rows, tracks_n, cells = tracks.shape
        steps = cells // group.size if pool else 1
        if batch.deviation is None:
            with np.errstate(over="ignore", invalid="ignore"):
                squares = np.square(tracks.reshape(rows, tracks_n * steps, group.size))
                batch.deviation = np.mean(squares, axis=1, dtype=np.float32)
        return largest_group(tracks, np.tile(group, steps))

    return step


_REDUCTIONS: Mapping[str, Build] = {
    "groups": _groups,
    "largest": _largest,
    "mahalanobis": _mahalanobis,
    "mean-square": _mean_square,
}


def _smooth(part: Part) -> Step:
    alpha = smoothing_weight(part.parameter("minutes"), part.step_ns)
    scale = part.constant("scale", (part.devices, None, 2))
    if not (scale > 0).all():
        raise part.refuse("has a scale that is not positive")
    average = part.memory.add(part.key("average"), scale.shape[:2])
    return lambda scores, batch: smooth(scores, batch.device, scale, alpha, average)


def _combine(part: Part) -> Step:
    how = part.stage.how or "log1p"
    if how not in {"log1p", "geometric", "votes"}:
        raise part.refuse(f"has no {how!r}; there are geometric, log1p, votes")
    needed = int(part.parameter("votes")) if how == "votes" else 0
    scale = part.constant("scale", (part.devices, None)) if part.stage.scaled else None
    if scale is not None and not (scale > 0).all():
        raise part.refuse("has a scale that is not positive")

    def step(scores: Floats, batch: Batch) -> Floats:
        if scale is not None:
            scores = scores / scale[batch.device]
        if needed:
            return vote(scores, needed)
        combined = combine_log1p(scores)
        # The same order, on the scale of the scores themselves: thrice as high is thrice as high.
        return np.expm1(combined) if how == "geometric" else combined

    return step


STAGES: dict[str, Build] = {
    "blame": _blame,
    "combine": _combine,
    "elastic": elastic,
    "features": features,
    "forest": forest,
    "profile": profile,
    "lines": lines,
    "reduce": _reduce,
    "residual": _residual,
    "smooth": _smooth,
    "standardise": _standardise,
    "whiten": _whiten,
}
BEFORE: dict[str, Before] = {"spectrum": spectrum}
