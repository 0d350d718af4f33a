"""What the stages of a score recipe are handed, and what they are built from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import CALIBRATION
from edge_anomaly.files.manifest import Branch, Manifest, Stage
from edge_anomaly.scoring.memory import Memory

__all__ = ["Batch", "Floats", "Part", "Rows", "Span", "Step", "constant_key"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Span = tuple[int, int]  # first and last slot, counted from the start of a window


@dataclass
class Batch:
    """B windows of a branch, in time order within each device.

    Stages read it, and write what an alarm will be told with: the last four members.
    """

    device: Rows  # (B,) row of the bundle's devices
    end_ns: Rows  # (B,) end of the newest slot
    window: Floats  # (B, W, C) engineering units
    observed: Floats  # (B, S, C) scaled units
    expected: Floats  # (B, S, C) scaled units; zeros where there is no graph
    deviation: Floats | None = None  # (B, C) how far each signal is off; >= 0 where it is
    where: Callable[[int], Span | None] | None = None  # which slots of window i are to blame
    value: Floats | None = None  # (B, C) what is shown as each signal's value, its own unit
    usual: Floats | None = None  # (B, C) and as what was expected

    @property
    def residual(self) -> Floats:
        """Observed - expected, (B, S, C)."""
        with np.errstate(over="ignore", invalid="ignore"):  # readings up to 3e38 may come
            return self.observed - self.expected

    def __getitem__(self, rows: slice) -> "Batch":
        """Some of the windows, before any stage has seen them."""
        return Batch(
            self.device[rows],
            self.end_ns[rows],
            self.window[rows],
            self.observed[rows],
            self.expected[rows],
        )


Step = Callable[[Floats, Batch], Floats]  # tracks in, tracks out


def constant_key(position: int, stage: str, name: str, branch: str = "") -> str:
    """The name in calibration.npz of a constant of the stage at `position` of a recipe.

    Args:
        position: Place in the recipe, from 0.
        stage: Its name.
        name: Of the constant.
        branch: Whose recipe it is; empty for the recipe of the whole.
    """
    return f"{branch}{'.' if branch else ''}{position}.{stage}.{name}"


@dataclass(frozen=True)
class Part:
    """What a stage is built from."""

    stage: Stage
    position: int
    branch: Branch | None  # None: a stage of the recipe of the whole
    manifest: Manifest
    constants: Mapping[str, NDArray[Any]]
    memory: Memory  # of the recipe; give each array a name of its own by `key`

    @property
    def devices(self) -> int:
        """D, rows of every constant and of every running value."""
        return len(self.manifest.devices)

    @property
    def signals(self) -> int:
        """C of the manifest."""
        return len(self.manifest.signals)

    @property
    def step_ns(self) -> int:
        """Time from one window of a device to the next."""
        return self.manifest.period_ns * self.manifest.branches[0].hop

    def key(self, name: str) -> str:
        """The full name of a constant or running value of this stage."""
        branch = "" if self.branch is None else self.branch.name
        return constant_key(self.position, self.stage.stage, name, branch)

    def constant(
        self,
        name: str,
        shape: tuple[int | None, ...] | None = None,
        dtype: Any = np.float32,  # noqa: ANN401 - as numpy takes it
    ) -> NDArray[Any]:
        """A learnt constant.

        Args:
            name: Of the constant.
            shape: What it must be; None stands for any length.
            dtype: What it is turned into.

        Raises:
            KeyError: There is none.
            BundleError: It is of another shape, or holds something other than finite numbers.
        """
        key = self.key(name)
        found = self.constants[key]
        fits = shape is None or (
            found.ndim == len(shape)
            and all(want in (None, got) for want, got in zip(shape, found.shape, strict=True))
        )
        if not fits:
            wanted = ", ".join("any" if want is None else str(want) for want in shape or ())
            raise BundleError(f"{CALIBRATION}: {key!r} has shape {found.shape}, not ({wanted})")
        if found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            raise BundleError(f"{CALIBRATION}: {key!r} must hold finite numbers")
        return np.ascontiguousarray(found.astype(dtype))

    def parameter(self, name: str) -> Any:  # noqa: ANN401 - of whatever type the manifest gives it
        """A member of the stage in the manifest.

        Raises:
            KeyError: The manifest leaves it out.
        """
        value = getattr(self.stage, name)
        if value is None:
            raise KeyError(name)
        return value

    def refuse(self, complaint: str) -> BundleError:
        """What to raise when the manifest asks for something that cannot be."""
        branch = "" if self.branch is None else f"{self.branch.name}: "
        return BundleError(f"score recipe: {branch}stage {self.stage.stage!r} {complaint}")
