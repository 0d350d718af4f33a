"""A list of stages, made ready with their constants and running values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import CALIBRATION
from edge_anomaly.files.manifest import Branch, Manifest, Stage
from edge_anomaly.scoring.batch import Batch, Floats, Part
from edge_anomaly.scoring.memory import Memory
from edge_anomaly.scoring.stages import BEFORE, STAGES, Before

__all__ = ["Recipe", "before", "side_by_side"]


class Recipe:
    """The stages of one branch, or of the whole."""

    def __init__(
        self,
        manifest: Manifest,
        constants: Mapping[str, NDArray[Any]],
        branch: Branch | None = None,
        part: slice = slice(None),
    ) -> None:
        """Make the stages ready.

        Args:
            manifest: Names them.
            constants: Arrays of calibration.npz.
            branch: Whose recipe it is; None for the recipe of the whole.
            part: Which of the stages; all by default.

        Raises:
            BundleError: A stage is unknown, lacks a parameter, or its constants are missing or
                do not fit.
        """
        self.memory = Memory()
        stages = manifest.recipe if branch is None else branch.recipe
        positions = range(len(stages))[part]
        self._steps = []
        for position in positions:
            stage = stages[position]
            if stage.stage in BEFORE and branch is not None and position == 0:
                continue  # `before` makes it ready
            build = STAGES.get(stage.stage)
            if build is None:
                raise BundleError(f"score recipe: {_unknown(stage)}")
            made = Part(stage, position, branch, manifest, constants, self.memory)
            try:
                self._steps.append(build(made))
            except KeyError as exc:
                raise BundleError(f"score recipe: stage {stage.stage!r} needs {exc}") from exc

    def run(self, tracks: Floats, batch: Batch) -> Floats:
        """Put tracks through the stages.

        Args:
            tracks: (B, T, C) or, behind a `reduce`, (B, T).
            batch: The same B windows; stages write into it.

        Raises:
            BundleError: A stage was given tracks of another shape than it takes.
        """
        for step in self._steps:
            try:
                tracks = step(tracks, batch)
            except (ValueError, IndexError) as exc:
                raise BundleError(f"score recipe: its stages do not fit each other: {exc}") from exc
        return tracks


def before(
    manifest: Manifest, constants: Mapping[str, NDArray[Any]], branch: Branch
) -> Callable[[Floats], Floats] | None:
    """What changes a branch's window before its graph sees it, or None.

    Raises:
        BundleError: It lacks a parameter or a constant.
    """
    if not branch.recipe or branch.recipe[0].stage not in BEFORE:
        return None
    stage = branch.recipe[0]
    build: Before = BEFORE[stage.stage]
    try:
        return build(Part(stage, 0, branch, manifest, constants, Memory()))
    except KeyError as exc:
        raise BundleError(f"score recipe: stage {stage.stage!r} needs {exc}") from exc


def side_by_side(tracks: Sequence[Floats]) -> Floats:
    """The tracks of all branches, one after the other on the track axis.

    Raises:
        BundleError: Some still have an axis of signals and others do not, or not as many.
    """
    if len(tracks) == 1:
        return tracks[0]
    if len({part.shape[2:] for part in tracks}) > 1:
        raise BundleError(
            f"{CALIBRATION}: the branches' recipes end in tracks of different shapes: "
            f"{', '.join(str(part.shape[1:]) for part in tracks)}"
        )
    return np.concatenate(tracks, axis=1)


def _unknown(stage: Stage) -> str:
    if stage.stage in BEFORE:
        return f"stage {stage.stage!r} must come first in the recipe of a branch"
    return f"no stage {stage.stage!r}; there are {', '.join(sorted(STAGES))}"
