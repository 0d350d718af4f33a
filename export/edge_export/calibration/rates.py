"""False alarms a day, with the interval that so much healthy time allows to claim."""

from dataclasses import dataclass

from scipy import stats

__all__ = ["Rate", "rate"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """Alarms counted in healthy time."""

    alarms: int
    days: float
    low: float  # a day, of the interval that holds the true rate in 95 of 100 cases
    high: float

    @property
    def a_day(self) -> float:
        """The rate as it was counted."""
        return self.alarms / self.days

    def __str__(self) -> str:
        return (
            f"{self.a_day:.2f} false alarms a day (95 % interval {self.low:.2f} to "
            f"{self.high:.2f}; {self.alarms} in {self.days:.1f} days)"
        )


def rate(alarms: int, days: float) -> Rate:
    """The rate with its exact Poisson interval (Garwood, Biometrika 1936).

    Alarms come singly once runs of windows are one alarm, which is what Poisson asks for.

    Raises:
        ValueError: `alarms` is negative or `days` is not positive.
    """
    if alarms < 0 or not days > 0:
        raise ValueError(f"alarms >= 0 in days > 0, got {alarms} in {days}")
    beside = (1 - CONFIDENCE) / 2
    low = float(stats.chi2.ppf(beside, 2 * alarms)) / 2 if alarms else 0.0
    high = float(stats.chi2.ppf(1 - beside, 2 * alarms + 2)) / 2
    return Rate(alarms, days, low / days, high / days)
