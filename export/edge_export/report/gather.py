"""From a bundle and recordings to what its report shows."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Bundle
from edge_anomaly.errors import BundleError, RecordingError
from edge_anomaly.ports import Model
from edge_export.evaluate import Judged, judge, judge_unlabelled
from edge_export.evaluation import Setting
from edge_export.recordings import Recording
from edge_export.report.material import Latent, Material, Story

__all__ = ["CURVES", "gather", "read_curves"]

CURVES = "training.npz"  # of a bundle: loss by epoch, an array a curve
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
    labelled = bool(test) and all(r.labels is not None for r in test)
    if labelled:
        try:
            judged = judge(bundle, model, train, test, setting)
        except RecordingError:
            if any(r.labels is not None and r.labels.any() for r in test):
                raise
            labelled = False  # nothing was marked: as good as nobody having looked
    if not labelled:
        judged = judge_unlabelled(bundle, model, train, test, setting)
    stories = [_story(judged, d) for d in range(len(judged.devices))]
    return Material(
        manifest=bundle.manifest,
        sha256=bundle.sha256,
        stories=stories,
        train=train,
        curves=curves or {},
        latent=_latent(stories),
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


def _latent(stories: Sequence[Story]) -> Latent | None:
    """Two principal directions of the deviations; a family's own latents take their place."""
    deviation = np.concatenate([story.deviation for story in stories])
    unusual = np.concatenate([story.ratio > 1 for story in stories])
    if deviation.shape[1] < 2:  # noqa: PLR2004 - two directions
        return None
    rows = np.linspace(0, len(deviation) - 1, min(POINTS, len(deviation))).astype(int)
    x = np.log1p(np.maximum(deviation[rows], 0).astype(np.float64))
    x -= x.mean(axis=0)
    _, singular, axes = np.linalg.svd(x, full_matrices=False)
    total = float((singular**2).sum())
    if total <= 0:
        return None
    share = float((singular[:2] ** 2).sum()) / total
    title = "Deviations of all signals in two directions"
    return Latent(x @ axes[:2].T, unusual[rows], title, share)
