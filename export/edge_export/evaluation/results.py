"""The figures of an evaluation, and in plain words where they mean little."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Alarms
from edge_export.data.recordings import Recording, digest
from edge_export.evaluation import metrics
from edge_export.evaluation.detectors import REFERENCES
from edge_export.evaluation.vus import BUFFER

__all__ = ["Evaluation", "Figures", "Setting", "caveats"]

Figures = dict[str, float]  # metric: value

FEW_EVENTS = 5  # below it one event more or less moves recall by over a fifth
FEW_WINDOWS = 5  # above the threshold in healthy time; below it chance sets the threshold


@dataclass(frozen=True)
class Setting:
    """What decides the figures beside bundle and recordings; every report prints it."""

    buffer: int = BUFFER  # of VUS-PR, samples
    seed: int = 0  # of the forest and of the random score
    held_out: float = 0.2  # last share of training time: calibrates every detector
    alarms: Alarms = field(default_factory=Alarms)  # when the agent raises and clears


@dataclass(frozen=True)
class Evaluation:
    """Figures of each detector on each device."""

    family: str  # the bundle's
    devices: tuple[str, ...]
    figures: Mapping[tuple[str, str], Figures]  # by (device, detector)
    setting: Setting
    warnings: tuple[str, ...] = ()

    @property
    def detectors(self) -> tuple[str, ...]:
        """The bundle's family, then the references."""
        return (self.family, *(name for name in REFERENCES if name != self.family))

    def values(self, detector: str, metric: str) -> list[float]:
        """One value a device, NaN where there is none."""
        return [self.figures[d, detector].get(metric, float("nan")) for d in self.devices]

    def mean(self, detector: str, metric: str) -> float:
        """Mean over the devices that have the figure; NaN when none has."""
        values = [value for value in self.values(detector, metric) if not np.isnan(value)]
        return fmean(values) if values else float("nan")

    def lead(self, other: str, metric: str) -> tuple[float, float]:
        """By how much the bundle exceeds `other`, paired by device: mean and standard error."""
        gain = np.subtract(self.values(self.family, metric), self.values(other, metric))
        error = gain.std(ddof=1) / gain.size**0.5 if gain.size > 1 else np.nan
        return float(gain.mean()), float(error)


def caveats(
    found: Evaluation, bundle: Bundle, train: Sequence[Recording], label: NDArray[np.bool_]
) -> Iterator[str]:
    """Where a figure means little, in plain words.

    Args:
        found: What to be wary of.
        bundle: What was judged.
        train: Healthy time that the references learnt from.
        label: Of all test windows.
    """
    manifest = bundle.manifest
    if digest(train) != manifest.provenance.data_sha256:
        yield (
            "the bundle was not trained on exactly these training recordings, which the "
            "references learnt from: its figures and theirs do not quite compare"
        )
    few = [d for d in found.devices if found.figures[d, "always"]["events"] < FEW_EVENTS]
    if few:
        yield f"{', '.join(few)}: fewer than {FEW_EVENTS} events, recall moves in large steps"
    rule = manifest.threshold
    if rule.rule == "quantile" and rule.windows * (1 - rule.parameter) < FEW_WINDOWS:
        yield (
            f"the threshold is the {rule.parameter:g} quantile of {rule.windows} windows: about "
            f"{rule.windows * (1 - rule.parameter):.1f} of them decide it"
        )
    spans = metrics.spans(label)
    usual = float(np.median(spans[:, 1] - spans[:, 0]))
    if found.setting.buffer > 2 * usual:
        yield (
            f"VUS-PR with a buffer of {found.setting.buffer} samples judges the neighbourhood of "
            f"events more than the events: half of them last {usual:g} samples or less"
        )
    for metric, title in (("ap", "AP"), ("vus_pr", "VUS-PR")):
        for other in ("const", "var1", "pca"):
            if other == found.family:
                continue
            gain, error = found.lead(other, metric)
            if not gain > 2 * error:
                yield (
                    f"{found.family} does not beat {other} in {title} beyond chance: "
                    f"{gain:+.3f}, standard error {error:.3f} over {len(found.devices)} devices"
                )
