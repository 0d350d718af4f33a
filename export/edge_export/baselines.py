"""Detectors without a network, which every report shows beside the model.

`const`, `var1` and `pca` are models in the agent's sense: they give what they observed and
expected of the last step, and the same scorer, recipe and calibration do the rest. What a
network adds is then what it adds to *them*. `iforest`, `random` and `always` score
directly. All are fitted on healthy time alone, one device at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from edge_export.recordings import Windows

__all__ = ["LINEAR", "Direct", "Linear", "Scaling", "always", "fit_linear", "forest", "random"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Score = Callable[[Floats, Rows], Floats]

CLIP = 3.0  # scaled units; cuts nothing of min-max scaled data but what is far outside
EXPLAINED = 0.9  # share of the variance that the kept components hold
RIDGE = 1e-2  # of the mean variance: signals of one machine are nearly collinear
TREES = 100


@dataclass(frozen=True)
class Scaling:
    """Min-max scaling per device, by what was seen in healthy time."""

    low: Floats  # (D, C)
    span: Floats  # (D, C), > 0; 1 where a signal never moved

    @classmethod
    def fit(cls, seen: Windows, devices: int) -> "Scaling":
        """Learn from the last steps of healthy windows.

        Raises:
            ValueError: A device has no window.
        """
        last = [_last(seen, d) for d in range(devices)]
        low = np.stack([x.min(axis=0) for x in last])
        span = np.stack([np.ptp(x, axis=0) for x in last])
        return cls(low, np.where(span > 0, span, 1).astype(np.float32))

    def apply(self, steps: Floats, device: Rows) -> Floats:
        """(B, W, C) in engineering units -> (B, W, C) in scaled units, within +-CLIP."""
        low, span = self.low[device][:, np.newaxis], self.span[device][:, np.newaxis]
        scaled: Floats = np.clip((steps - low) / span, -CLIP, CLIP).astype(np.float32)
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


@dataclass(frozen=True)
class Direct:
    """A detector that gives a score without a residual."""

    name: str
    score: Score  # (B, W, C), (B,) -> (B,)


def fit_linear(name: str, seen: Windows, devices: int) -> Linear:
    """One of LINEAR, fitted on healthy windows.

    Raises:
        ValueError: There is no such baseline, or a device has fewer than two windows.
    """
    if name not in LINEAR:
        raise ValueError(f"no baseline {name!r}; there are {', '.join(LINEAR)}")
    scaling = Scaling.fit(seen, devices)
    parts = []
    for d in range(devices):
        mine = seen.device == d
        if np.count_nonzero(mine) < 2:  # noqa: PLR2004 - a variance needs two
            raise ValueError(f"device {d} has {np.count_nonzero(mine)} healthy windows")
        steps = scaling.apply(seen.window[mine, -2:], seen.device[mine]).astype(np.float64)
        parts.append(LINEAR[name](steps[:, 0], steps[:, 1]))
    bias, before, now = (np.stack(part).astype(np.float32) for part in zip(*parts, strict=True))
    return Linear(scaling, bias, before, now)


def forest(seen: Windows, devices: int, seed: int) -> Direct:
    """Isolation Forest (Liu et al., ICDM 2008) on the last step, one a device.

    Raises:
        ValueError: A device has no window.
    """
    scaling = Scaling.fit(seen, devices)
    trees = [
        IsolationForest(n_estimators=TREES, random_state=seed).fit(
            scaling.apply(seen.window[seen.device == d, -1:], seen.device[seen.device == d])[:, 0]
        )
        for d in range(devices)
    ]

    def score(window: Floats, device: Rows) -> Floats:
        last = scaling.apply(window[:, -1:], device)[:, 0]
        out = np.empty(device.size, np.float32)
        for d in np.unique(device):
            out[device == d] = -trees[d].score_samples(last[device == d])
        return out

    return Direct("iforest", score)


def random(seed: int) -> Direct:
    """Noise: what any figure must exceed to mean something."""
    rng = np.random.default_rng(seed)
    return Direct("random", lambda _window, device: rng.random(device.size, np.float32))


def always() -> Direct:
    """Alarms all the time: what an event-wise figure must exceed."""
    return Direct("always", lambda _window, device: np.ones(device.size, np.float32))


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
    """Projection on the first components; what it leaves is the residual of SPE."""
    centre = now.mean(axis=0)
    _, singular, axes = np.linalg.svd(now - centre, full_matrices=False)
    held = np.cumsum(singular**2)
    kept = int(np.searchsorted(held, EXPLAINED * held[-1])) + 1 if held[-1] > 0 else 0
    projection = axes[:kept].T @ axes[:kept]
    return centre - projection @ centre, np.zeros_like(projection), projection


LINEAR: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], Parts]] = {
    "pca": _pca,
    "var1": _var1,
    "const": _const,
}


def _last(seen: Windows, device: int) -> Floats:
    last: Floats = seen.window[seen.device == device, -1]
    if not len(last):
        raise ValueError(f"device {device} has no healthy window")
    return last
