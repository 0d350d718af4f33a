"""The stage `forest`: how quickly random cuts part a window's features from healthy ones."""

import numpy as np

from edge_anomaly.scoring.batch import Batch, Floats, Part, Step
from edge_kernels import Forest, forest_scores

__all__ = ["forest"]


def forest(part: Part) -> Step:
    """One Isolation Forest a track, (B, T, F) -> (B, T).

    A score of 0 is the healthy median and 1 the healthy 99th percentile, per device: what forests
    of different features say can be averaged, and 1 is where a forest of contamination 0.01 draws
    its line. Constants: the trees' arrays as `edge_kernels.Forest` has them, for all tracks
    together, with `root` and `depth` (T, trees); `level`, (D, T, 2).
    """
    forests = _forests(part)
    level = part.constant("level", (part.devices, len(forests), 2))
    low, width = level[..., 0], level[..., 1] - level[..., 0]
    if not (width > 0).all():
        raise part.refuse("has levels that do not rise")

    def step(tracks: Floats, batch: Batch) -> Floats:
        if tracks.shape[1] != len(forests):
            raise ValueError(f"{len(forests)} forests for {tracks.shape[1]} tracks")
        scores = [forest_scores(trees, tracks[:, t]) for t, trees in enumerate(forests)]
        unusual = -np.stack(scores, axis=1).astype(np.float32)
        scaled: Floats = (unusual - low[batch.device]) / width[batch.device]
        return scaled

    return step


def _forests(part: Part) -> list[Forest]:
    nodes = {
        name: part.constant(name, (None,), dtype)
        for name, dtype in (
            ("feature", np.int32),
            ("threshold", np.float32),
            ("child", np.int32),
            ("length", np.float64),
        )
    }
    root, depth = (part.constant(name, (None, None), np.int32) for name in ("root", "depth"))
    normal, columns = part.constant("normal", (None,), np.float64), part.constant("columns", (1,))
    # calibration.npz holds finite numbers alone; a reading that has arrived at a leaf stays.
    leaf = nodes["child"] == np.arange(nodes["child"].size)
    nodes["threshold"] = np.where(leaf, np.float32(np.inf), nodes["threshold"])
    if not root.shape == depth.shape == (normal.size, *root.shape[1:]):
        raise part.refuse("has roots, depths and lengths that do not fit each other")
    try:
        return [
            Forest(
                **nodes,
                root=root[t],
                depth=depth[t],
                features=int(columns[0]),
                normal_length=float(normal[t]),
            )
            for t in range(normal.size)
        ]
    except ValueError as exc:
        raise part.refuse(f"has trees that are none: {exc}") from exc
