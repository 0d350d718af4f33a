"""Where a score is going: a robust slope of its logarithm, before the threshold is reached.

The ratio score / threshold is averaged in bins, as logarithms, since wear grows by a share
and not by an amount. The slope over the bins is Theil's and Sen's, the median of the slopes
of all pairs, which a quarter of wild bins does not move; its interval is that of Sen (1968),
from the variance of Kendall's tau, widened by how much neighbouring bins are alike (Yue and
Wang 2004), and at a high level of confidence, since it is asked again with every bin.
"""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import StateError

__all__ = ["BINS", "Estimate", "TrendLine", "theil_sen"]

BINS = 48
FEWEST = 16  # bins below which no slope is worth telling
Z = 3.29  # two-sided 99.9 %
FLOOR = 1e-3  # of the threshold: below it a score has no logarithm worth the name
HOUR_NS = 3600 * 10**9


class Estimate(NamedTuple):
    """A line through the logarithm of score / threshold."""

    slope: float  # per hour
    low: float
    high: float
    level: float  # of the line at its newest end; 0 is the threshold
    low_level: float  # of the flattest line
    high_level: float  # of the steepest
    hours: float  # that it was drawn through

    @property
    def growth(self) -> float:
        """What of it is certain, over the whole line, as a logarithm."""
        return self.low * self.hours

    @property
    def to_threshold_h(self) -> float | None:
        """Hours until the line meets the threshold; None where it does not, or is past it."""
        return -self.level / self.slope if self.slope > 0 > self.level else None

    @property
    def earliest_h(self) -> float | None:
        """The same by the steepest slope."""
        return max(0.0, -self.high_level / self.high) if self.high > 0 > self.level else None

    @property
    def latest_h(self) -> float | None:
        """The same by the flattest slope; None: perhaps never."""
        return -self.low_level / self.low if self.low > 0 > self.level else None


def theil_sen(x: list[float], y: list[float]) -> Estimate:
    """The median slope with its interval, and where the three lines end.

    Args:
        x: Rising, at least two.
        y: As many, finite.
    """
    at, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    first, second = np.triu_indices(at.size, 1)
    slopes = np.sort((values[second] - values[first]) / (at[second] - at[first]))
    n = at.size

    def level(slope: float) -> float:
        return float(np.median(values - slope * (at - at[-1])))

    slope = float(np.median(slopes))
    left = values - slope * at
    spread = Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18 * _likeness(left - left.mean()))
    low = max(0, math.floor((slopes.size - spread) / 2))
    high = min(slopes.size - 1, math.ceil((slopes.size + spread) / 2))
    least, most = float(slopes[low]), float(slopes[high])
    return Estimate(
        slope, least, most, level(slope), level(least), level(most), float(at[-1] - at[0])
    )


def _likeness(left: NDArray[np.float64]) -> float:
    """By how much the variance of what a line leaves grows, since neighbours are alike."""
    power = float(left @ left)
    alike = float(left[:-1] @ left[1:]) / power if power > 0 else 0.0
    alike = min(0.9, max(0.0, alike))
    return (1 + alike) / (1 - alike)


class TrendLine:
    """The bins of one device."""

    def __init__(self, span_ns: int) -> None:
        self._width = max(1, span_ns // BINS)
        self._bins: deque[tuple[int, float]] = deque(maxlen=BINS)  # its number, mean logarithm
        self._number: int | None = None  # of the bin that is being filled
        self._sum = 0.0
        self._count = 0

    def add(self, t_ns: int, ratio: float) -> Estimate | None:
        """Take score / threshold; where that completes a bin and there are enough, the line."""
        number = t_ns // self._width
        estimate = None
        if number != self._number:
            if self._count and self._number is not None:
                self._bins.append((self._number, self._sum / self._count))
                estimate = self._estimate()
            self._number, self._sum, self._count = number, 0.0, 0
        self._sum += math.log(max(ratio, FLOOR))
        self._count += 1
        return estimate

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "width": self._width,
            "bins": [list(one) for one in self._bins],
            "filling": [self._number, self._sum, self._count],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off; one of another span is passed over.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            bins = msgspec.convert(state["bins"], list[tuple[int, float]])
            filling = msgspec.convert(state["filling"], tuple[int | None, float, int])
            width = msgspec.convert(state["width"], int)
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"trend: {exc}") from exc
        if width == self._width:
            self._bins = deque(bins, maxlen=BINS)
            self._number, self._sum, self._count = filling

    def _estimate(self) -> Estimate | None:
        if len(self._bins) < FEWEST:
            return None
        newest = self._bins[-1][0]
        while newest - self._bins[0][0] >= BINS:  # behind a gap they are of another time
            self._bins.popleft()
        if len(self._bins) < FEWEST:
            return None
        hours = [number * self._width / HOUR_NS for number, _ in self._bins]
        start = hours[0]
        return theil_sen([hour - start for hour in hours], [value for _, value in self._bins])
