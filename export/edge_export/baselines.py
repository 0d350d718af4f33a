"""Detectors without a network, which every report shows beside the model.

`const`, `var1` and `pca` are models in the agent's sense: they give what they observed and
expected of the last step, and the same scorer, recipe and calibration do the rest. What a
network adds is then what it adds to *them*. `iforest` and `random` score directly. All are
fitted on healthy time alone, one device at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from edge_export.split import Split

__all__ = ["LINEAR", "Direct", "Linear", "Scaling", "fit_linear", "forest", "random"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Direct = Callable[[Floats, Rows], Floats]  # (B, W, C), (B,) -> scores (B,)

CLIP = 3.0  # scaled units: three times the training range, so that only the absurd is cut
EXPLAINED = 0.9  # share of the variance that the kept components hold
RIDGE = 1e-2  # of the mean variance: signals of one machine are nearly collinear
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


@dataclass(frozen=True)
class Linear:
    """Expects x_t = bias + A x_(t-1) + R x_t: a mean, a forecast or a projection."""

    scaling: Scaling
    bias: Floats  # (D, C)
    before: Floats  # (D, C, C) A
    now: Floats  # (D, C, C) R

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "numpy"

    def run(self, window: Floats, device: Rows) -> tuple[Floats, Floats]:
        """Observed and expected last step, both (B, 1, C) in scaled units.

        Args:
            window: Engineering units, (B, W, C) with W >= 2.
            device: Shape (B,).

        Raises:
            ValueError: Windows hold a single step.
        """
        if window.shape[1] < 2:  # noqa: PLR2004 - this step and the one before
            raise ValueError("a forecast needs windows of at least 2 steps")
        steps = self.scaling.apply(window[:, -2:], device)
        expected = np.empty_like(steps[:, 1])
        for d in np.unique(device):
            mine = device == d
            expected[mine] = (
                self.bias[d] + steps[mine, 0] @ self.before[d].T + steps[mine, 1] @ self.now[d].T
            )
        return steps[:, 1:], expected[:, np.newaxis]


def fit_linear(name: str, parts: Split) -> Linear:
    """One of LINEAR, fitted on the part of healthy time to learn from.

    Raises:
        ValueError: There is no such baseline.
    """
    if name not in LINEAR:
        raise ValueError(f"no baseline {name!r}; there are {', '.join(LINEAR)}")
    scaling = Scaling(parts.centre, parts.scale)
    fitted = []
    for d in range(len(parts.devices)):
        mine = parts.fit.device == d
        steps = scaling.apply(parts.fit.window[mine, -2:], parts.fit.device[mine])
        fitted.append(LINEAR[name](steps[:, 0].astype(np.float64), steps[:, -1].astype(np.float64)))
    bias, before, now = (np.stack(part).astype(np.float32) for part in zip(*fitted, strict=True))
    return Linear(scaling, bias, before, now)


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


Parts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _const(_before: NDArray[np.float64], now: NDArray[np.float64]) -> Parts:
    nothing = np.zeros((now.shape[1], now.shape[1]))
    return now.mean(axis=0), nothing, nothing


def _var1(before: NDArray[np.float64], now: NDArray[np.float64]) -> Parts:
    """Least squares with a ridge on the coefficients; the bias is free."""
    centre_before, centre_now = before.mean(axis=0), now.mean(axis=0)
    x, y = before - centre_before, now - centre_now
    gram = x.T @ x / len(x)
    ridge = RIDGE * float(np.trace(gram)) / len(gram) or 1.0  # nothing moved: nothing to weigh
    matrix = np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y / len(x)).T
    return centre_now - matrix @ centre_before, matrix, np.zeros_like(matrix)


def _pca(_before: NDArray[np.float64], now: NDArray[np.float64]) -> Parts:
    """Projection on the first components; what it leaves is the residual of SPE.

    One component is always left out: of unrelated signals 0.9 of the variance may be all of
    them, and nothing would be left to see a fault by.
    """
    centre = now.mean(axis=0)
    _, singular, axes = np.linalg.svd(now - centre, full_matrices=False)
    held = np.cumsum(singular**2)
    kept = int(np.searchsorted(held, EXPLAINED * held[-1])) + 1 if held[-1] > 0 else 0
    kept = min(kept, now.shape[1] - 1)
    projection = axes[:kept].T @ axes[:kept]
    return centre - projection @ centre, np.zeros_like(projection), projection


LINEAR: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], Parts]] = {
    "pca": _pca,
    "var1": _var1,
    "const": _const,
}
