"""Bundles on the same recordings, paired device by device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Model
from edge_export.data.recordings import Recording
from edge_export.evaluation.evaluate import judge_alone
from edge_export.evaluation.results import Figures, Setting

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True)
class Difference:
    """By how much one bundle exceeds another in a figure, over devices that have it."""

    mean: float
    error: float  # standard error of the mean; NaN for a single device
    devices: int
    wins: int  # devices on which it is ahead

    @property
    def certain(self) -> bool:
        """More than two standard errors from nothing."""
        return abs(self.mean) > 2 * self.error


@dataclass(frozen=True)
class Comparison:
    """Figures of every bundle on every device."""

    names: tuple[str, ...]  # of the bundles, in the order given
    devices: tuple[str, ...]
    figures: Mapping[tuple[str, str], Figures]  # by (device, bundle)

    def mean(self, name: str, metric: str) -> float:
        """Mean over the devices that have the figure; NaN when none has."""
        values = [self.figures[device, name].get(metric, np.nan) for device in self.devices]
        known = [value for value in values if np.isfinite(value)]
        return fmean(known) if known else float("nan")

    def difference(self, name: str, other: str, metric: str) -> Difference:
        """How `name` compares with `other`, paired by device."""
        pairs = np.array(
            [
                [self.figures[device, bundle].get(metric, np.nan) for bundle in (name, other)]
                for device in self.devices
            ]
        )
        gain = (pairs[:, 0] - pairs[:, 1])[np.isfinite(pairs).all(axis=1)]
        n = gain.size
        return Difference(
            mean=float(gain.mean()) if n else float("nan"),
            error=float(gain.std(ddof=1) / n**0.5) if n > 1 else float("nan"),
            devices=n,
            wins=int((gain > 0).sum()),
        )


def compare(
    bundles: Mapping[str, tuple[Bundle, Model]],
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> Comparison:
    """Judge every bundle on the devices that all of them know.

    Args:
        bundles: With their graphs, by name; at least two.
        train: Healthy time that they were trained on.
        test: What follows it, labelled.
        setting: How to evaluate.

    Raises:
        RecordingError: They have no device in common, or the recordings do not fit one.
    """
    common = set.intersection(*(set(bundle.manifest.devices) for bundle, _ in bundles.values()))
    first = [recordings for recordings in test if recordings.device in common]
    if not first:
        raise RecordingError(f"no device that {', '.join(bundles)} and the recordings all know")
    figures: dict[tuple[str, str], Figures] = {}
    devices: tuple[str, ...] = ()
    for name, (bundle, model) in bundles.items():
        found = judge_alone(bundle, model, train, first, setting).evaluation
        assert found is not None  # noqa: S101 - `judge_alone` gives one or raises
        devices = devices or found.devices
        for device in found.devices:
            figures[device, name] = found.figures[device, bundle.manifest.family]
    return Comparison(tuple(bundles), devices, figures)
