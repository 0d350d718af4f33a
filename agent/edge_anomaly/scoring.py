"""Windows to scores: one scorer for every family.

What follows a graph is the recipe that the bundle names: stages applied in order to
*tracks*, (B, T, C) until `reduce` and (B, T) after it. A stage's learnt constants are
arrays `<position>.<stage>.<constant>` of calibration.npz and its running values are
kept per device, so that batches of any size give the same scores.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Bundle, Manifest, Stage
from edge_anomaly.errors import BundleError
from edge_anomaly.ports import Model
from edge_kernels import combine_log1p, mean_of_largest, smooth, standardise, whiten

__all__ = [
    "Recipe",
    "Scorer",
    "Scores",
    "check_golden",
    "constant_key",
    "smoothing_weight",
]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Step = Callable[[Floats, Rows], Floats]

GOLDEN_TOLERANCE = 1e-3  # relative; runtimes and processors differ by 1e-5 at most


@dataclass(frozen=True)
class Scores:
    """What a batch of B windows came to."""

    score: Floats  # (B,)
    threshold: Floats  # (B,)
    deviation: Floats  # (B, C) how far each signal is off, in its own healthy deviations
    observed: Floats  # (B, C) last step of the window, engineering units
    expected: Floats  # (B, C) likewise


class Recipe:
    """The stages of a bundle, with their constants and running values."""

    def __init__(
        self,
        manifest: Manifest,
        constants: Mapping[str, NDArray[Any]],
        *,
        upto: int | None = None,
    ) -> None:
        """Make ready the first `upto` stages (all by default).

        Raises:
            BundleError: A stage is unknown, lacks a parameter, or its constants are missing.
        """
        self._steps: list[tuple[str, Step]] = []
        self._running: list[Floats] = []
        for position, stage in enumerate(manifest.recipe[:upto]):
            build = _STAGES.get(stage.stage)
            if build is None:
                known = ", ".join(sorted(_STAGES))
                raise BundleError(f"score recipe: no stage {stage.stage!r}; there are {known}")
            try:
                step = build(_Part(stage, position, manifest, constants, self._running))
            except KeyError as exc:
                raise BundleError(f"score recipe: stage {stage.stage!r} needs {exc}") from exc
            self._steps.append((stage.stage, step))

    def run(self, residual: Floats, device: Rows) -> tuple[Floats, Floats]:
        """Put residuals through the stages.

        Args:
            residual: Observed minus expected over the span, shape (B, S, C).
            device: Shape (B,).

        Returns:
            What the last stage gives, and how far each signal is off, (B, C): the largest
            of its tracks once standardised, or its residual in a recipe without that stage.
        """
        tracks, deviation = residual, np.abs(residual[:, -1])
        for name, step in self._steps:
            tracks = step(tracks, device)
            if name == "standardise":
                deviation = tracks.max(axis=1)
        return tracks, deviation

    def forget(self, device: int) -> None:
        """Drop the running values of `device`, whose past has a gap."""
        for values in self._running:
            values[device] = np.nan


class Scorer:
    """Scores windows with a bundle's graph and recipe; keeps each device's running values."""

    def __init__(self, bundle: Bundle, model: Model) -> None:
        self._model = model
        self._threshold = bundle.calibration["threshold"].astype(np.float32)
        self._scale = bundle.calibration["scale"].astype(np.float32)
        self._centre = bundle.calibration["centre"].astype(np.float32)
        self._recipe = Recipe(bundle.manifest, bundle.calibration)

    def score(self, window: Floats, device: Rows, fresh: NDArray[np.bool_] | None = None) -> Scores:
        """Score a batch; windows of one device must come in time order.

        Args:
            window: In engineering units, shape (B, W, C), B >= 1.
            device: Row of the bundle's devices, shape (B,).
            fresh: Where a device begins anew after a gap, shape (B,): its running values
                are of a past that has nothing to say here.
        """
        observed, expected = self._model.run(window, device)
        with np.errstate(over="ignore", invalid="ignore"):  # readings up to 3e38 may come
            residual = observed - expected
        cuts = [] if fresh is None else np.flatnonzero(fresh).tolist()
        parts = []
        for start, stop in itertools.pairwise([0, *cuts, device.size]):
            if start in cuts:
                self._recipe.forget(device[start])
            if start < stop:
                parts.append(self._recipe.run(residual[start:stop], device[start:stop]))
        score = np.concatenate([score for score, _ in parts])
        with np.errstate(over="ignore", invalid="ignore"):
            expected = expected[:, -1] * self._scale[device] + self._centre[device]
        return Scores(
            score=score[:, 0],
            threshold=self._threshold[device],
            deviation=np.concatenate([deviation for _, deviation in parts]),
            observed=window[:, -1],
            expected=expected,
        )


def check_golden(bundle: Bundle, model: Model) -> None:
    """Let the bundle answer its golden inputs.

    Raises:
        BundleError: An answer differs from the one recorded at export.
    """
    golden = bundle.golden
    observed, expected = model.run(golden.window, golden.device)
    score = Scorer(bundle, model).score(golden.window, golden.device).score
    for name, got, want in (
        ("observed", observed, golden.observed),
        ("expected", expected, golden.expected),
        ("score", score, golden.score),
    ):
        if got.shape != want.shape:
            raise BundleError(f"golden.npz: {name} has shape {got.shape}, recorded {want.shape}")
        error = float(np.abs(got - want).max() / max(1e-6, float(np.abs(want).max())))
        if not error <= GOLDEN_TOLERANCE:
            raise BundleError(
                f"golden.npz: {name} differs from the recorded answer by {error:.2g} "
                f"(allowed {GOLDEN_TOLERANCE}): this is not the model that was verified"
            )


def smoothing_weight(minutes: float, period_ns: int) -> float:
    """Weight of the newest score for an average with a time constant of `minutes`."""
    return -math.expm1(-period_ns / (minutes * 60e9))


def constant_key(position: int, stage: str, name: str) -> str:
    """The name in calibration.npz of a constant of the stage at `position`."""
    return f"{position}.{stage}.{name}"


@dataclass(frozen=True)
class _Part:
    """What a stage is built from."""

    stage: Stage
    position: int
    manifest: Manifest
    constants: Mapping[str, NDArray[Any]]
    running: list[Floats]  # one array a stage with memory, a row a device

    def memory(self, shape: tuple[int, ...]) -> Floats:
        values = np.full(shape, np.nan, np.float32)
        self.running.append(values)
        return values

    def constant(self, name: str) -> Floats:
        key = constant_key(self.position, self.stage.stage, name)
        return self.constants[key].astype(np.float32)


def _residual(_: _Part) -> Step:
    return lambda residual, _device: residual[:, -1:, :]


def _whiten(part: _Part) -> Step:
    phi = part.constant("phi")
    last = part.memory(phi.shape)

    def step(tracks: Floats, device: Rows) -> Floats:
        raw = np.ascontiguousarray(tracks[:, 0])
        white = whiten(raw, device, phi, last)
        return np.stack([raw, white] if part.stage.with_raw else [white], axis=1)

    return step


def _standardise(part: _Part) -> Step:
    mean, deviation = part.constant("mean"), part.constant("deviation")
    return lambda tracks, device: standardise(tracks, device, mean, deviation)


def _reduce(part: _Part) -> Step:
    largest = part.stage.largest
    if largest is None:
        raise KeyError("largest")
    return lambda tracks, _device: mean_of_largest(tracks, largest)


def _smooth(part: _Part) -> Step:
    if part.stage.minutes is None:
        raise KeyError("minutes")
    alpha = smoothing_weight(part.stage.minutes, part.manifest.period_ns)
    scale = part.constant("scale")
    average = part.memory(scale.shape[:2])
    return lambda scores, device: smooth(scores, device, scale, alpha, average)


def _combine(_: _Part) -> Step:
    return lambda scores, _device: combine_log1p(scores)


_STAGES: dict[str, Callable[[_Part], Step]] = {
    "combine": _combine,
    "reduce": _reduce,
    "residual": _residual,
    "smooth": _smooth,
    "standardise": _standardise,
    "whiten": _whiten,
}
