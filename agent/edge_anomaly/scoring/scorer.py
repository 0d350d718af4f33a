"""Windows to scores: one scorer for every family."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError, StateError
from edge_anomaly.files.manifest import Manifest
from edge_anomaly.ports import Model
from edge_anomaly.scoring.answering import Answering
from edge_anomaly.scoring.batch import Batch, Floats, Rows, Span
from edge_anomaly.scoring.memory import Memory
from edge_anomaly.scoring.recipe import Recipe, side_by_side
from edge_anomaly.scoring.thresholds import Thresholds

__all__ = ["Scorer", "Scores", "Spec"]

Fresh = NDArray[np.bool_]


class Spec(Protocol):
    """What a scorer needs of a bundle."""

    @property
    def manifest(self) -> Manifest:
        """Branches, recipes and threshold rule."""
        ...

    @property
    def calibration(self) -> Mapping[str, NDArray[Any]]:
        """Arrays of calibration.npz."""
        ...


@dataclass(frozen=True)
class Scores:
    """What a batch of B windows came to."""

    score: Floats  # (B,)
    threshold: Floats  # (B,)
    deviation: Floats  # (B, C) how far each signal is off; its share of the whole is its blame
    observed: Floats  # (B, C) newest value of each signal, engineering units
    expected: Floats  # (B, C) likewise
    where: Callable[[int], Span | None]  # which slots of window i are to blame, if a stage can tell


class Scorer:
    """Scores windows with a bundle's graphs and recipes; keeps each device's running values."""

    def __init__(self, bundle: Spec, model: Model) -> None:
        """Put the parts together.

        Raises:
            BundleError: A graph, a stage or a constant does not fit the manifest.
        """
        manifest, constants = bundle.manifest, bundle.calibration
        self._branches = [
            Answering(
                manifest,
                constants,
                branch,
                model.graphs.get(branch.name),
                model.ahead.get(branch.name),
            )
            for branch in manifest.branches
        ]
        self._recipes = [Recipe(manifest, constants, branch) for branch in manifest.branches]
        self._recipe = Recipe(manifest, constants)
        self._thresholds = Thresholds(manifest, constants)
        self._scale = constants["scale"].astype(np.float32)
        self._centre = constants["centre"].astype(np.float32)
        self._period_ns = manifest.period_ns

    def score(self, window: Floats, device: Rows, slot: Rows, fresh: Fresh | None = None) -> Scores:
        """Score a batch; windows of one device must come in time order.

        Args:
            window: In engineering units, shape (B, W, C), B >= 1.
            device: Row of the bundle's devices, shape (B,).
            slot: Newest slot of each window, in periods since the epoch, shape (B,).
            fresh: Where a device begins anew after a gap, shape (B,): its running values
                are of a past that has nothing to say here.
        """
        return self.judge(self.answer(window, device, slot, fresh), fresh)

    def answer(
        self, window: Floats, device: Rows, slot: Rows, fresh: Fresh | None = None
    ) -> list[Batch]:
        """What the graph of each branch observes and expects; see `score`."""
        end_ns = (slot + 1) * self._period_ns
        return [branch.answer(window, device, end_ns, fresh) for branch in self._branches]

    def judge(self, batches: Sequence[Batch], fresh: Fresh | None = None) -> Scores:
        """What the recipes make of the answers of all branches; see `score`."""
        device = batches[0].device
        cuts = [] if fresh is None else np.flatnonzero(fresh).tolist()
        parts: list[tuple[Floats, list[Batch]]] = []
        for start, stop in itertools.pairwise([0, *cuts, device.size]):
            if start in cuts:
                self._forget_recipes(int(device[start]))
            if start < stop:
                some = [batch[start:stop] for batch in batches] if cuts else list(batches)
                parts.append(self._run(some))
        score = np.concatenate([score for score, _ in parts])
        return Scores(
            score=score,
            threshold=self._thresholds.run(score, device, batches[0].end_ns),
            deviation=np.concatenate([_worst(some) for _, some in parts]),
            observed=np.concatenate([_value(some[0]) for _, some in parts]),
            expected=np.concatenate([self._usual(some[0]) for _, some in parts]),
            where=_whereabouts([some for _, some in parts]),
        )

    def prepare(self) -> None:
        """Do what can be done before the next samples arrive: run the graphs that run ahead."""
        for branch in self._branches:
            branch.prepare()

    def usual_threshold(self, device: int) -> float:
        """The threshold of `device` while nothing is scored."""
        return float(self._thresholds.usual[device])

    def forget(self, device: int) -> None:
        """Drop the running values of `device`, whose past has a gap."""
        for branch in self._branches:
            branch.forget(device)
        self._forget_recipes(device)

    def forget_wholly(self, device: int) -> None:
        """Know of `device` what was known before its first window."""
        for branch in self._branches:
            branch.forget(device, wholly=True)
        for memory in self._memories()[len(self._branches) :]:
            memory.forget(device, wholly=True)

    def snapshot(self) -> dict[str, Any]:
        """Running values of all devices, copied."""
        return {
            name: array for memory in self._memories() for name, array in memory.snapshot().items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `snapshot` gave.

        Raises:
            StateError: It is of another model; nothing was changed.
        """
        before = self.snapshot()
        if state.keys() != before.keys():
            raise StateError(
                f"running values {', '.join(sorted(state)) or 'none'} do not fit this model, "
                f"which has {', '.join(sorted(before)) or 'none'}"
            )
        try:
            self._put(state)
        except StateError:
            self._put(before)
            raise

    def _put(self, state: Mapping[str, Any]) -> None:
        for branch in self._branches:
            branch.restore({name: state[name] for name in branch.memory.arrays})
        for memory in self._memories()[len(self._branches) :]:
            memory.restore({name: state[name] for name in memory.arrays})

    def _memories(self) -> list[Memory]:
        """Of the branches, then of the rest."""
        return [
            *(branch.memory for branch in self._branches),
            *(recipe.memory for recipe in self._recipes),
            self._recipe.memory,
            self._thresholds.memory,
        ]

    def _forget_recipes(self, device: int) -> None:
        for recipe in (*self._recipes, self._recipe):
            recipe.memory.forget(device)

    def _run(self, batches: list[Batch]) -> tuple[Floats, list[Batch]]:
        tracks = [
            recipe.run(batch.residual, batch)
            for recipe, batch in zip(self._recipes, batches, strict=True)
        ]
        score = self._recipe.run(side_by_side(tracks), batches[0])
        if score.shape != (batches[0].device.size, 1):
            raise BundleError(f"score recipe: it ends in tracks {score.shape[1:]}, not in a score")
        return score[:, 0], batches

    def _usual(self, batch: Batch) -> Floats:
        """What was expected of the newest values, engineering units, (B, C)."""
        if batch.usual is not None:
            return batch.usual
        with np.errstate(over="ignore", invalid="ignore"):
            usual: Floats = (
                batch.expected[:, -1] * self._scale[batch.device] + self._centre[batch.device]
            )
        return usual


def _value(batch: Batch) -> Floats:
    return batch.window[:, -1] if batch.value is None else batch.value


def _worst(batches: Sequence[Batch]) -> Floats:
    """How far each signal is off, in the branch that finds it furthest, (B, C)."""
    found = [batch.deviation for batch in batches if batch.deviation is not None]
    if not found:  # no stage says
        return np.abs(batches[0].residual[:, -1])
    worst = found[0]
    for other in found[1:]:
        worst = np.fmax(worst, other)
    return worst


def _whereabouts(parts: Sequence[Sequence[Batch]]) -> Callable[[int], Span | None]:
    """Which slots of a window are to blame, by the first branch that can tell."""

    def where(row: int) -> Span | None:
        for batches in parts:
            if row < batches[0].device.size:
                tell = next((batch.where for batch in batches if batch.where is not None), None)
                return None if tell is None else tell(row)
            row -= batches[0].device.size
        return None

    return where
