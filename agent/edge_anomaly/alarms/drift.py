"""Whether today's readings and scores are still those that the model was calibrated on.

The bundle brings, per device, the tenths of its healthy scores and of each input, and how
much of healthy time fell between them. Samples a window apart are counted into the same
tenths, and after enough of them, over at least a day, the population stability index

    PSI = sum over bins of (p - q) ln(p / q),    p: now, q: then

is compared with two limits: 0.25, where practice speaks of a shift that matters, and what
chance alone exceeds in one of 10,000 comparisons of all signals of a device: PSI is
distributed as chi-squared (bins - 1 degrees) times 1/n + 1/m (Yurdakul 2018) if the samples
are independent. Nothing is adapted: a person decides whether the plant or the model is to
change.
"""

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import StateError

__all__ = [
    "MATTERS",
    "Drift",
    "Reference",
    "Shift",
    "bin_shares",
    "psi",
    "psi_by_chance",
    "reference_of",
    "tenths",
]

MATTERS = 0.25
FALSE_ALARMS = 1e-4  # per comparison of all signals of a device
TENTHS = 10
EDGES, SHARES, WINDOWS = "reference.edges", "reference.shares", "reference.windows"

Floats = NDArray[np.floating[Any]]


class Reference(NamedTuple):
    """One device's healthy time: the score first, then each input."""

    edges: Floats  # (9, 1 + C) upper edges of the first nine tenths
    shares: Floats  # (10, 1 + C) of healthy time between them
    windows: int  # that it was reckoned from, a window apart


class Shift(NamedTuple):
    """What a comparison found."""

    worst: int  # 0: the score, 1 + c: input c
    psi: float
    limit: float  # above it the shift is told
    samples: int

    @property
    def ratio(self) -> float:
        """Above 1 it is told."""
        return self.psi / self.limit


def tenths(values: Floats) -> Floats:
    """Edges of the tenths of each column, shape (9, K) of (N, K)."""
    return np.quantile(values, np.arange(1, TENTHS) / TENTHS, axis=0)


def bin_shares(values: Floats, edges: Floats) -> Floats:
    """Share of the rows of `values`, (N, K), that fall into each of the ten bins, (10, K)."""
    place = (values[:, np.newaxis] > edges[np.newaxis]).sum(axis=1)  # (N, K)
    return np.stack([(place == bin_).mean(axis=0) for bin_ in range(TENTHS)])


def psi(now: Floats, then: Floats, samples: int, windows: int) -> Floats:
    """Population stability index of each column, (K,), of shares (10, K).

    An empty bin counts as half a sample.
    """
    p = np.maximum(now, 0.5 / samples)
    q = np.maximum(then, 0.5 / windows)
    used = (now > 0) | (then > 0)
    found: Floats = np.where(used, (p - q) * np.log(p / q), 0.0).sum(axis=0)
    return found


def psi_by_chance(samples: int, windows: int, columns: int, bins: int = TENTHS) -> float:
    """What the largest index of `columns` exceeds by chance with `FALSE_ALARMS`."""
    degrees = bins - 1
    z = NormalDist().inv_cdf(1 - FALSE_ALARMS / columns)
    part = 2 / (9 * degrees)  # Wilson and Hilferty (1931)
    return float(degrees * (1 - part + z * part**0.5) ** 3 * (1 / samples + 1 / windows))


def reference_of(calibration: Mapping[str, NDArray[Any]], device: int) -> Reference | None:
    """The reference in a bundle's calibration; None where it has none, or too little."""
    if EDGES not in calibration:
        return None
    windows = int(calibration[WINDOWS][device])
    if not windows:
        return None
    return Reference(calibration[EDGES][device], calibration[SHARES][device], windows)


class Drift:
    """Counts one device's samples."""

    def __init__(self, reference: Reference, *, samples: int, over_ns: int, apart_ns: int) -> None:
        """Begin to count.

        Args:
            reference: What to compare with.
            samples: At least so many a comparison.
            over_ns: And over so long.
            apart_ns: Between two samples: a window, so that they share no reading.
        """
        self._reference = reference
        self._samples = samples
        self._over_ns = over_ns
        self._apart_ns = apart_ns
        self._counts = np.zeros(reference.shares.shape, np.int64)
        self._columns = np.arange(reference.shares.shape[1])
        self._first_ns = self._last_ns = 0
        self._count = 0

    def add(self, t_ns: int, score: float, inputs: Sequence[float] | Floats) -> Shift | None:
        """Take a healthy window; the comparison, where it completes one."""
        if self._count and t_ns - self._last_ns < self._apart_ns:
            return None
        if not self._count:
            self._first_ns = t_ns
        self._last_ns = t_ns
        values = np.concatenate([[score], inputs])
        place = (values > self._reference.edges).sum(axis=0)
        self._counts[place, self._columns] += 1
        self._count += 1
        if self._count < self._samples or t_ns - self._first_ns < self._over_ns:
            return None
        count, windows = self._count, self._reference.windows
        found = psi(self._counts / count, self._reference.shares, count, windows)
        self._counts[:] = 0
        self._count = 0
        worst = int(found.argmax())
        limit = max(MATTERS, psi_by_chance(count, windows, found.size))
        return Shift(worst, float(found[worst]), limit, count)

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "counts": self._counts.copy(),
            "count": self._count,
            "first_ns": self._first_ns,
            "last_ns": self._last_ns,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none, or of another model; nothing is changed.
        """
        try:
            counts = np.asarray(state["counts"], np.int64)
            numbers = [int(state[name]) for name in ("count", "first_ns", "last_ns")]
        except (KeyError, TypeError, ValueError) as exc:
            raise StateError(f"drift: {exc}") from exc
        if counts.shape != self._counts.shape:
            raise StateError(f"drift: counts of shape {counts.shape}, not {self._counts.shape}")
        self._counts = counts.copy()
        self._count, self._first_ns, self._last_ns = numbers
