"""From a bundle and recordings to what its report shows."""

import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError, RecordingError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Graph, Model
from edge_export.bundles.package import CURVES
from edge_export.data.recordings import Recording
from edge_export.evaluation.evaluate import Judged, judge, judge_unlabelled
from edge_export.evaluation.results import Setting
from edge_export.graphs.answers import in_turns
from edge_export.report.material import Latent, Material, Story

__all__ = ["gather", "projected", "read_curves"]

POINTS = 4_000  # windows in the latent picture


def gather(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
    curves: Mapping[str, NDArray[np.float64]] | None = None,
) -> Material:
    """Score what there is and put it together.

    Args:
        bundle: What to report on.
        model: Its graphs.
        train: Healthy time that it was trained on.
        test: What follows it, with labels, without, or nothing.
        setting: How to evaluate.
        curves: Loss by epoch.

    Raises:
        RecordingError: Recordings do not fit the bundle.
    """
    graphs = {name: _Listening(graph) for name, graph in model.graphs.items()}
    model = Model(graphs, model.ahead)
    labelled = bool(test) and all(r.labels is not None for r in test)
    if labelled:
        try:
            judged = judge(bundle, model, train, test, setting)
        except RecordingError:
            if any(r.labels is not None and r.labels.any() for r in test):
                raise
            labelled = False  # nothing was marked: as good as nobody having looked
            for graph in graphs.values():
                graph.heard.clear()
    if not labelled:
        judged = judge_unlabelled(bundle, model, train, test, setting)
    heard = [graph.latent(judged.seen.device) for graph in graphs.values()]
    stories = [_story(judged, d) for d in range(len(judged.devices))]
    return Material(
        manifest=bundle.manifest,
        sha256=bundle.sha256,
        stories=stories,
        train=train,
        curves=curves or {},
        latent=_latent(next((told for told in heard if told is not None), None), judged, stories),
        evaluation=judged.evaluation,
    )


def read_curves(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Loss by epoch of the bundle in `folder`; none where it was not kept.

    Raises:
        BundleError: The file is there and holds something else.
    """
    path = folder / CURVES
    if not path.exists():
        return {}
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            return {name: np.asarray(stored[name], np.float64) for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile) as exc:
        raise BundleError(f"{path}: not training curves: {exc}") from exc


def _story(judged: Judged, d: int) -> Story:
    own = judged.seen.device == d
    scored = judged.scored[own]
    return Story(
        device=judged.devices[d],
        t_ns=(judged.seen.slot[own] + 1) * judged.period_ns,
        score=scored.score,
        threshold=scored.threshold,
        standing=judged.standing[own],
        deviation=scored.deviation if scored.deviation is not None else np.empty((own.sum(), 0)),
        observed=scored.observed if scored.observed is not None else np.empty((own.sum(), 0)),
        expected=scored.expected if scored.expected is not None else np.empty((own.sum(), 0)),
        judged=judged.later[own],
        label=None if judged.label is None else judged.label[own],
    )


def _latent(
    told: NDArray[np.floating] | None, judged: Judged, stories: Sequence[Story]
) -> Latent | None:
    """What a graph says of its middle, or else the deviations of all signals."""
    ratio = judged.scored.ratio
    rows = np.linspace(0, ratio.size - 1, min(POINTS, ratio.size)).astype(int)
    title = "The latent that the network gives each window"
    if told is None:
        title = "Deviations of all signals, by which windows are judged"
        told = np.log1p(np.maximum(np.concatenate([s.deviation for s in stories]), 0))
    found = projected(told[rows].astype(np.float64))
    return None if found is None else Latent(found[0], ratio[rows] > 1, title, found[1])


@dataclass
class _Listening:
    """A graph whose output `latent`, if it has one, is kept; fulfils `edge_anomaly.ports.Graph`."""

    graph: Graph
    heard: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def provider(self) -> str:
        return self.graph.provider

    @property
    def inputs(self) -> Collection[str]:
        return self.graph.inputs

    def run(self, feed: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.float32]]:
        answers = self.graph.run(feed)
        if "latent" in answers and "state" not in self.inputs:  # else in another order
            self.heard.append(answers["latent"].reshape(len(feed["device"]), -1))
        return answers

    def latent(self, device: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Of each window in the order in which `device` names them, (N, Z)."""
        if sum(map(len, self.heard)) != device.size:
            return None
        found: NDArray[np.float32] = np.concatenate(self.heard)[np.argsort(in_turns(device))]
        return found


def projected(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """The two directions in which points differ most, and their share of the variance.

    Returns:
        (n, 2) and the share; None of less than two dimensions or points that are all alike.
    """
    if x.shape[1] < 2:  # noqa: PLR2004 - two directions
        return None
    off = x - x.mean(axis=0)
    _, singular, axes = np.linalg.svd(off, full_matrices=False)
    total = float((singular**2).sum())
    if total <= 0:
        return None
    return off @ axes[:2].T, float((singular[:2] ** 2).sum()) / total
