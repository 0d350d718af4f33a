"""Detectors without a network, which every report shows beside the model.

`const`, `var1` and `pca` are graphs in the agent's sense: they give what they observed and
expected of the last step, and the same scorer, recipe and calibration do the rest. What a
network adds is then what it adds to *them*. `iforest` and `random` score directly. All are
fitted on healthy time alone, one device at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from edge_export.data.split import Split
from edge_export.families.linear import LINEAR, WHITENED, Config, Linear, linear

__all__ = ["LINEAR", "WHITENED", "Direct", "Linear", "Scaling", "fit_linear", "forest", "random"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Direct = Callable[[Floats, Rows], Floats]  # (B, W, C), (B,) -> scores (B,)

CLIP = 3.0  # scaled units: three times the training range, so that only the absurd is cut
TREES = 100


@dataclass(frozen=True)
class Scaling:
    """The model's own scaling: the middle of the training range is 0, its width is 1."""

    centre: Floats  # (D, C)
    scale: Floats  # (D, C), > 0

    def apply(self, steps: Floats, device: Rows) -> Floats:
        """(B, W, C) in engineering units -> (B, W, C) in scaled units, within +-CLIP."""
        centre, scale = self.centre[device][:, np.newaxis], self.scale[device][:, np.newaxis]
        scaled: Floats = np.clip((steps - centre) / scale, -CLIP, CLIP).astype(np.float32)
        return scaled


def fit_linear(name: str, parts: Split) -> Linear:
    """One of LINEAR, fitted on the part of healthy time to learn from.

    Raises:
        ValueError: There is no such baseline.
    """
    if name not in LINEAR:
        raise ValueError(f"no baseline {name!r}; there are {', '.join(LINEAR)}")
    return linear(name, parts, Config())


def forest(parts: Split, seed: int) -> Direct:
    """Isolation Forest (Liu et al., ICDM 2008) on the last step, one a device.

    Its score is taken beyond the healthy median, so that a ratio to a threshold means something.
    """
    scaling = Scaling(parts.centre, parts.scale)
    last = scaling.apply(parts.fit.window[:, -1:], parts.fit.device)[:, 0]
    own = [last[parts.fit.device == d] for d in range(len(parts.devices))]
    trees = [IsolationForest(n_estimators=TREES, random_state=seed).fit(x) for x in own]
    usual = [np.median(-tree.score_samples(x)) for tree, x in zip(trees, own, strict=True)]

    def score(window: Floats, device: Rows) -> Floats:
        last = scaling.apply(window[:, -1:], device)[:, 0]
        out = np.empty(device.size, np.float32)
        for d in np.unique(device):
            out[device == d] = -trees[d].score_samples(last[device == d]) - usual[d]
        return out

    return score


def random(seed: int) -> Direct:
    """Noise: what any figure must exceed to mean something."""
    rng = np.random.default_rng(seed)
    return lambda _window, device: rng.random(device.size, np.float32)
