"""The tail of healthy scores: a level that they exceed with a risk smaller than was ever seen.

Peaks over threshold (Pickands 1975; Coles, "An Introduction to Statistical Modeling of Extreme
Values", 2001, section 4.3; Siffer et al., KDD 2017, section 3): what exceeds a high quantile u by
y follows a generalised Pareto distribution, P(Y > y) = (1 + xi y / sigma)^(-1 / xi), whose two
numbers are found by maximum likelihood. With theta = xi / sigma the likelihood has one unknown
(Grimshaw, Technometrics 1993): for given theta the best xi is mean(log(1 + theta y)).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST", "START", "Pareto", "fit_pareto", "tail_level"]

Floats = NDArray[np.float64]

START = 0.98  # quantile from which the tail is taken
FEWEST = 20  # excesses below which two numbers cannot be told from them
STEPS = 400  # of the search over theta, then as many again around the best
WIDEST = 50.0  # theta in units of 1 / mean excess: beyond it the tail has no mean, xi > 1
STRAIGHT = 1e-9  # |theta| below it is an exponential tail


class Pareto(NamedTuple):
    """A generalised Pareto distribution of excesses."""

    shape: float  # xi; above 0 the tail is heavy, below 0 it ends
    scale: float  # sigma > 0

    def excess(self, chance: float) -> float:
        """What is exceeded with a probability of `chance`, 0 < chance <= 1."""
        if abs(self.shape) < STRAIGHT:
            return -self.scale * math.log(chance)
        return self.scale / self.shape * math.expm1(-self.shape * math.log(chance))


def fit_pareto(excess: NDArray[np.floating]) -> Pareto:
    """The distribution that makes `excess` most likely.

    The search is over xi <= 1 and ends short of the pole of the likelihood at the largest
    excess, where xi < -1 makes any sample infinitely likely.

    Args:
        excess: Shape (n,), n >= 2, above 0.

    Raises:
        ValueError: There are fewer than two, or one is not above 0.
    """
    y = np.asarray(excess, np.float64)
    if y.ndim != 1 or y.size < 2 or not (np.isfinite(y) & (y > 0)).all():  # noqa: PLR2004 - two unknowns
        raise ValueError("a tail needs at least two excesses, all finite and above 0")
    mean = float(y.mean())
    lowest = -(1 - 1e-6) / float(y.max())
    grid = np.concatenate(
        [
            lowest * np.linspace(1, 0, STEPS, endpoint=False),
            np.geomspace(1e-6, WIDEST, STEPS) / mean,
        ]
    )
    found = _likelihood(grid, y)
    best = int(found.argmax())
    around = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)], STEPS)
    fine = _likelihood(around, y)
    theta = float(around[int(fine.argmax())])
    if fine.max() <= _exponential(y):
        return Pareto(0.0, mean)
    shape = float(np.log1p(theta * y).mean())
    return Pareto(shape, shape / theta)


def tail_level(score: NDArray[np.floating], risk: float, start: float = START) -> float:
    """The level that a score exceeds with a probability of `risk`.

    Args:
        score: Healthy scores, shape (n,), finite.
        risk: Between 0 and 1 - start.
        start: Quantile from which the tail is taken.

    Raises:
        ValueError: `risk` lies outside, or fewer than FEWEST scores make the tail.
    """
    if not 0 < risk < 1 - start:
        raise ValueError(f"a risk lies between 0 and {1 - start:g}, got {risk}")
    values = np.asarray(score, np.float64)
    level = float(np.quantile(values, start))
    excess = values[values > level] - level
    if excess.size < FEWEST:
        raise ValueError(f"{excess.size} scores in the tail, at least {FEWEST} are needed")
    return level + fit_pareto(excess).excess(risk * values.size / excess.size)


def _likelihood(theta: Floats, y: Floats) -> Floats:
    """Log-likelihood at the best xi for each theta (Grimshaw 1993, equation 6), (T,)."""
    straight = np.abs(theta) < STRAIGHT / y.mean()
    safe = np.where(straight, 1.0, theta)
    shape = np.log1p(np.outer(safe, y)).mean(axis=1)  # xi
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -y.size * (np.log(shape / safe) + shape + 1)
    allowed = (shape >= -1) & (shape <= 1) & np.isfinite(found)
    result: Floats = np.where(straight, _exponential(y), np.where(allowed, found, -np.inf))
    return result


def _exponential(y: Floats) -> float:
    return -y.size * (math.log(y.mean()) + 1)
