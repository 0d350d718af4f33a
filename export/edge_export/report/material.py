"""What a report is made of: figures and series, gathered before anything is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Manifest
from edge_export.data.recordings import Recording
from edge_export.evaluation.metrics import Spans, spans
from edge_export.evaluation.results import Evaluation

__all__ = ["Latent", "Material", "Story"]

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Story:
    """What happened on one device, window by window."""

    device: str
    t_ns: NDArray[np.int64]  # (N,) end of the newest slot
    score: Floats  # (N,)
    threshold: Floats  # (N,)
    standing: Flags  # (N,) the agent's alarm stands
    deviation: Floats  # (N, C) how far each signal is off
    observed: Floats  # (N, C) newest values, engineering units
    expected: Floats  # (N, C) likewise
    judged: Flags  # (N,) False: healthy time that calibrated the thresholds
    label: Flags | None = None  # (N,) what an operator saw, where anybody looked

    @property
    def alarms(self) -> Spans:
        """Alarms in judged time, or in all where none was, as [first, after last), (A, 2)."""
        return spans(self.standing & self.judged if self.judged.any() else self.standing)

    @property
    def ratio(self) -> Floats:
        """Score by threshold, (N,)."""
        return self.score / self.threshold


@dataclass(frozen=True)
class Latent:
    """What the model makes of windows in its middle, in two directions."""

    points: Floats  # (N, 2)
    unusual: Flags  # (N,) the window scored above its threshold
    title: str
    share: float  # of the variance that the two directions hold


@dataclass(frozen=True)
class Material:
    """All that a report shows."""

    manifest: Manifest
    sha256: str  # of the bundle; empty in a report that is a part of it
    stories: Sequence[Story]
    train: Sequence[Recording]
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # loss an epoch
    latent: Latent | None = None
    evaluation: Evaluation | None = None

    @property
    def signals(self) -> list[str]:
        """Names in the model's order."""
        return [signal.name for signal in self.manifest.signals]

    @property
    def chief(self) -> int:
        """The signal that deviates most over all alarms, or over all windows without one."""
        of_alarms = [s.deviation[s.standing] for s in self.stories if s.standing.any()]
        rows = of_alarms or [s.deviation for s in self.stories]
        return int(np.concatenate(rows).mean(axis=0).argmax())
