"""What a model family is to the export side: settings, and a way to train them.

A family says how its graphs come about and which recipe its scores need; everything else
(windows, calibration, verification, packaging, the agent) is the same for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import AgentError
from edge_anomaly.files.bundle import Branch, Stage
from edge_anomaly.ports import Graph
from edge_anomaly.scoring import clock
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, Slicing, Windows
from edge_export.data.split import Split

if TYPE_CHECKING:  # loads torch, which linear families do without
    from edge_export.training.loop import Course

__all__ = ["Family", "Grown", "Material", "Settings", "Trained", "UselessModelError"]


class UselessModelError(AgentError):
    """What was trained says nothing of its input, and would alarm or keep silent by chance.

    Detection figures do not show it; nothing was written.
    """


class Settings(Protocol):
    """What every family's `Config` has; the rest is the family's own."""

    @property
    def window(self) -> int:
        """Slots that the longest branch looks at."""
        ...

    @property
    def stride(self) -> int:
        """Hops between the windows to learn from."""
        ...

    @property
    def held_out(self) -> float:
        """Last share of each device's time: stops training, calibrates."""
        ...

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        ...


@dataclass(frozen=True)
class Material:
    """What a family learns from."""

    recordings: Sequence[Recording]  # healthy time of every device, in time order
    parts: Split  # the same, cut into windows of `Settings.window` slots
    slicing: Slicing
    utc_offset_minutes: int = 0
    smooth_minutes: float = 12.0  # time constant of the score's averages
    torchscript: bool = False  # make TorchScript files too
    device: str = "cpu"  # where to train: cpu or cuda
    checkpoint: Path | None = None  # to go on from; written after every epoch
    purpose: str = ""  # what a checkpoint must have been made for

    @property
    def step_ns(self) -> int:
        """Time from window to window."""
        return self.slicing.period_ns * self.slicing.hop

    def course(self, wanted: "Course", part: str = "model") -> "Course":
        """How a family's config wants `part` trained, here and from where it was left."""
        path = self.checkpoint and self.checkpoint.with_name(f"{self.checkpoint.name}.{part}.pt")
        return replace(wanted, device=self.device, checkpoint=path, purpose=self.purpose, part=part)

    def clock(self, windows: Windows) -> NDArray[np.float32]:
        """The input `clock` of these windows, (N, W, 4)."""
        end_ns = (windows.slot + 1) * self.slicing.period_ns
        return clock(
            end_ns, windows.window.shape[1], self.slicing.period_ns, self.utc_offset_minutes
        )


@dataclass(frozen=True)
class Grown:
    """A branch with its graphs."""

    branch: Branch  # all but the names of the files
    graphs: Mapping[str, bytes] = field(default_factory=dict)  # by runtime
    reference: Graph | None = None  # what was trained: every graph must answer as it does
    ahead: Mapping[str, bytes] = field(default_factory=dict)  # by runtime
    ahead_reference: Graph | None = None


@dataclass(frozen=True)
class Trained:
    """What a family hands over."""

    branches: Sequence[Grown]
    recipe: Sequence[Stage]  # of the branches' tracks side by side
    constants: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # of stages it fitted
    # itself, by `edge_anomaly.scoring.constant_key`
    metrics: Mapping[str, float] = field(default_factory=dict)  # for provenance
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)  # losses by epoch, the
    # first before training; for the report


@dataclass(frozen=True)
class Family:
    """A kind of model."""

    name: str
    presets: Mapping[str, Any]  # `default`, `paper`, ...: a `Settings` each
    train: Callable[[Material, Any], Trained]
    # The settings with what only the recordings can tell, such as their period, filled in.
    settle: Callable[[Sequence[Recording], Any, int], Any] = field(
        default=lambda _recordings, config, _period_ns: config
    )
    rule: Rule = field(default_factory=Rule)  # of the thresholds, unless told otherwise
