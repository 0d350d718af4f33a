"""What a detector brings: a score, a threshold, and, should it be told of, the cause."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from edge_anomaly.files.rules import Alarms
from edge_anomaly.values import Contributor, ModelRef, Trend, Where, WindowSpan, iso

__all__ = ["Cause", "Detector", "Finding", "rounded"]

DIGITS = 6  # significant; the rest is the runtime's rounding


class Cause(NamedTuple):
    """Why a finding is what it is; asked for only when something is told of it."""

    text: str = ""  # what is wrong, without the device: "flow is 11 m3/h where 10 is expected"
    contributors: tuple[Contributor, ...] = ()  # the largest share first
    where: Where | None = None  # the part of the window that is to blame
    trend: Trend | None = None


@dataclass(frozen=True)
class Finding:
    """What a detector makes of a device at one time."""

    start_ns: int  # of what was looked at
    end_ns: int
    score: float  # finite
    threshold: float  # > 0; above it is unusual
    cause: Callable[[], Cause]
    coverage: float = 1.0
    quality: str = "good"  # good | uncertain

    @property
    def span(self) -> WindowSpan:
        """The stretch of time that was looked at."""
        return WindowSpan(
            start=iso(self.start_ns), end=iso(self.end_ns), coverage=round(self.coverage, 4)
        )


class Detector(NamedTuple):
    """What an alarm is of."""

    name: str
    model: ModelRef
    rules: Alarms


def rounded(value: float) -> float:
    """To the digits that are worth telling."""
    return float(f"{value:.{DIGITS}g}")
