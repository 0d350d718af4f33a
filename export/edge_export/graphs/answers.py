"""What graphs answer to many windows, as the agent would hear it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Branch, Manifest
from edge_anomaly.ports import Graph, Model
from edge_anomaly.scoring import Answering, Batch, before, clock
from edge_export.data.recordings import Windows

__all__ = ["Draft", "answers", "feed", "in_turns", "unexplained", "with_state"]

BATCH = 512
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Draft:
    """A bundle before it is one: all that a scorer needs."""

    manifest: Manifest
    calibration: Mapping[str, NDArray[Any]]


def answers(
    manifest: Manifest,
    constants: Mapping[str, NDArray[Any]],
    model: Model,
    windows: Windows,
    batch: int = BATCH,
) -> list[Batch]:
    """What each branch observes and expects in N windows, from a fresh start.

    Args:
        manifest: Its branches.
        constants: Scaling, and what stages before a graph need.
        model: The graphs.
        windows: In time order within each device.
        batch: Windows through a graph at once.
    """
    order = in_turns(windows.device)  # a graph with a state sees a window a device at a time
    back = np.argsort(order)
    found = []
    for branch in manifest.branches:
        answering = Answering(
            manifest,
            constants,
            branch,
            model.graphs.get(branch.name),
            model.ahead.get(branch.name),
        )
        pieces = []
        for start in range(0, len(windows), batch):
            rows = order[start : start + batch]
            end_ns = (windows.slot[rows] + 1) * manifest.period_ns
            pieces.append(
                answering.answer(windows.window[rows], windows.device[rows], end_ns, None)
            )
        observed = np.concatenate([piece.observed for piece in pieces])[back]
        expected = np.concatenate([piece.expected for piece in pieces])[back]
        found.append(
            Batch(
                windows.device,
                (windows.slot + 1) * manifest.period_ns,
                windows.window[:, -branch.window :],
                observed,
                expected,
            )
        )
    return found


def in_turns(device: NDArray[np.int64]) -> NDArray[np.intp]:
    """An order of rows in which devices take turns and each keeps its own order."""
    turn = np.zeros(device.size, np.int64)
    for d in np.unique(device):
        mine = np.flatnonzero(device == d)
        turn[mine] = np.arange(mine.size)
    return np.lexsort((device, turn))


def feed(
    manifest: Manifest, branch: Branch, windows: Windows, graph: Graph | None
) -> dict[str, NDArray[Any]]:
    """All that the graphs of `branch` may take, for N windows, behind the stage before it.

    States are what `graph` itself makes of one, two or three windows, and none at all.
    """
    own = np.ascontiguousarray(windows.window[:, -branch.window :])
    change = before(manifest, {}, branch)
    shown = own if change is None else change(own)
    end_ns = (windows.slot + 1) * manifest.period_ns
    found: dict[str, NDArray[Any]] = {
        "window": shown,
        "device": windows.device,
        "clock": clock(end_ns, branch.window, manifest.period_ns, manifest.utc_offset_minutes),
    }
    if branch.state is not None and graph is not None:
        state = np.full((len(windows), *branch.state), np.nan, np.float32)
        lived = [state]
        for _ in range(3):
            state = graph.run(found | {"state": state})["new_state"]
            lived.append(state)
        which = np.arange(len(windows)) % len(lived)
        found["state"] = np.stack(lived)[which, np.arange(len(windows))]
    return found


def with_state(fed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The rows of `feed` that a graph running ahead may be given: those that have a state."""
    if "state" not in fed:
        return dict(fed)
    begun = ~np.isnan(fed["state"]).reshape(len(fed["state"]), -1).any(axis=1)
    return {name: value[begun] for name, value in fed.items()}


def unexplained(batch: Batch) -> float:
    """Share of the variance that the model misses, mean over devices; 1: no better than a mean.

    A collapsed model shows here and not in detection figures.
    """
    shares = []
    for d in np.unique(batch.device):
        mine, missed = batch.observed[batch.device == d], batch.residual[batch.device == d]
        variance = mine.var(axis=0).mean()
        shares.append(float((missed**2).mean() / max(1e-12, float(variance))))
    return float(np.mean(shares))
