"""Constants of a score recipe and thresholds, from held-out healthy time alone.

Each stage's constants are fitted on what the stages before it, run by the agent's own code,
make of the held-out residuals. No function here takes labels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Manifest, Stage, Threshold
from edge_anomaly.errors import RecordingError
from edge_anomaly.scoring import Recipe, constant_key, smoothing_weight
from edge_kernels import smooth

__all__ = ["MEAN_STD", "MINIMUM", "QUANTILE", "Rule", "calibrate", "default_recipe"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Fit = Callable[[Floats, Rows, int, Stage, int], dict[str, Floats]]

QUANTILE, MEAN_STD = "quantile", "mean-std"
MINIMUM = 30  # held-out windows of a device below which no deviation is worth the name
DEVIATION_FLOOR = 0.01  # scaled units: of the training range. A signal that stood still in
# healthy time would otherwise turn its smallest step into an alarm.
LEVEL = 0.99  # quantile that `smooth` takes as a score's healthy level
LEVEL_FLOOR = 0.1  # of that level: a device that never erred must not divide by nothing
FEW_SIGNALS = 20


@dataclass(frozen=True)
class Rule:
    """How a device's threshold follows from its held-out scores."""

    # 0.995: one window in 200 of healthy time lies above. Such windows come in runs, so that
    # at 5 min and three in a row this is an alarm a device a week on the servers' held-out
    # time, what an operator may be asked to look at in vain. 0.999 is decided by the one or
    # two largest of a week's scores. Another sampling rate or budget wants another quantile.
    name: str = QUANTILE
    parameter: float = 0.995

    def __post_init__(self) -> None:
        if self.name not in {QUANTILE, MEAN_STD}:
            raise ValueError(f"no threshold rule {self.name!r}; there are quantile and mean-std")
        if self.name == QUANTILE and not 0 < self.parameter < 1:
            raise ValueError(f"a quantile lies between 0 and 1, got {self.parameter}")

    def threshold(self, score: Floats) -> float:
        """The threshold over one device's scores, shape (n,)."""
        if self.name == MEAN_STD:
            return float(score.mean() + self.parameter * score.std())
        return float(np.quantile(score, self.parameter))


def default_recipe(signals: int, *, minutes: float = 12.0) -> list[Stage]:
    """The recipe that carries every family (research: last step, both tracks, smoothed).

    Args:
        signals: C; below 20 the three largest count, else the five largest.
        minutes: Time constant of the average; 12 min is alpha 0.08 at one minute and 0.34
            at five, where 0.1 and 0.3 were best on SMD and ASD.
    """
    largest = min(signals, 3 if signals < FEW_SIGNALS else 5)
    return [
        Stage(stage="residual"),
        Stage(stage="whiten", with_raw=True),
        Stage(stage="standardise"),
        Stage(stage="reduce", largest=largest),
        Stage(stage="smooth", minutes=minutes),
        Stage(stage="combine"),
        Stage(stage="smooth", minutes=minutes),
    ]


def calibrate(
    manifest: Manifest, residual: Floats, device: Rows, rule: Rule
) -> tuple[dict[str, NDArray[Any]], Threshold]:
    """Fit the recipe's constants, stage by stage, then the thresholds.

    Args:
        manifest: Devices, period and recipe.
        residual: Observed - expected of healthy windows the model was not trained on, scaled
            units, shape (N, S, C), in time order within each device.
        device: Shape (N,).
        rule: How a threshold follows from scores.

    Returns:
        `threshold` (D,) and `<position>.<stage>.<constant>` arrays, and what the manifest
        says about the thresholds.

    Raises:
        RecordingError: A device has too few held-out windows.
    """
    devices = max(1, len(manifest.devices))
    counts = np.bincount(device, minlength=devices)
    if counts.min() < MINIMUM:
        name = manifest.devices[int(counts.argmin())] if manifest.devices else "the device"
        raise RecordingError(
            f"{name}: {counts.min()} held-out windows, at least {MINIMUM} are needed: record longer"
        )
    constants: dict[str, NDArray[Any]] = {}
    for position, stage in enumerate(manifest.recipe):
        fit = _FITS.get(stage.stage)
        if fit is not None:
            before, _ = Recipe(manifest, constants, upto=position).run(residual, device)
            fitted = fit(before, device, devices, stage, manifest.period_ns)
            for name, value in fitted.items():
                constants[constant_key(position, stage.stage, name)] = value
    score, _ = Recipe(manifest, constants).run(residual, device)
    constants["threshold"] = _per_device(
        lambda mine: np.float32(max(1e-6, rule.threshold(mine))), score[:, 0], device, devices
    )
    said = Threshold(rule=rule.name, parameter=rule.parameter, windows=int(counts.min()))
    return constants, said


def _per_device(
    fit: Callable[[NDArray[Any]], Any], values: NDArray[Any], device: Rows, devices: int
) -> Floats:
    return np.stack([fit(values[device == d]) for d in range(devices)]).astype(np.float32)


def _fit_whiten(before: Floats, device: Rows, devices: int, _: Stage, __: int) -> dict[str, Floats]:
    """Each signal's lag-one regression coefficient, kept within 0..1."""

    def phi(r: Floats) -> NDArray[Any]:
        past, now = r[:-1].astype(np.float64), r[1:].astype(np.float64)
        energy = (past**2).sum(axis=0)
        slope = np.divide((past * now).sum(axis=0), energy, np.zeros_like(energy), where=energy > 0)
        kept: NDArray[Any] = slope.clip(0, 1)
        return kept

    return {"phi": _per_device(phi, before[:, 0], device, devices)}


def _fit_standardise(
    before: Floats, device: Rows, devices: int, _: Stage, __: int
) -> dict[str, Floats]:
    size = np.abs(before).astype(np.float64)
    return {
        "mean": _per_device(lambda r: r.mean(axis=0), size, device, devices),
        "deviation": _per_device(lambda r: r.std(axis=0) + DEVIATION_FLOOR, size, device, devices),
    }


def _fit_smooth(
    before: Floats, device: Rows, devices: int, stage: Stage, period_ns: int
) -> dict[str, Floats]:
    """Healthy levels of the score and of its average."""
    tracks = before.shape[1]
    # With the score's own level out of reach, the stage shows its running average.
    average_alone = np.ones((devices, tracks, 2), np.float32)
    average_alone[..., 0] = np.inf
    average = smooth(
        before,
        device,
        average_alone,
        smoothing_weight(stage.minutes or 1.0, period_ns),
        np.full((devices, tracks), np.nan, np.float32),
    )
    levels = [
        _per_device(
            lambda s: np.maximum(np.quantile(s, LEVEL, axis=0), LEVEL_FLOOR), x, device, devices
        )
        for x in (before, average)
    ]
    return {"scale": np.stack(levels, axis=-1)}


_FITS: Mapping[str, Fit] = {
    "smooth": _fit_smooth,
    "standardise": _fit_standardise,
    "whiten": _fit_whiten,
}
