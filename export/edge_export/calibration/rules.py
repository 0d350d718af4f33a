"""How a device's alarm threshold follows from its held-out healthy scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Threshold
from edge_anomaly.files.manifest import RULES
from edge_anomaly.scoring.clock import HOURS
from edge_export.calibration.tail import tail_level

__all__ = ["BUDGET", "DRIFT", "HOUR_OF_WEEK", "MEAN_STD", "QUANTILE", "TAIL", "Rule", "episodes"]

Floats = NDArray[np.float32]

QUANTILE, MEAN_STD, BUDGET, TAIL, HOUR_OF_WEEK, DRIFT = RULES
DAY_NS = 24 * 3600 * 10**9
LOWEST = 0.9  # quantile below which no budget of alarms may push a threshold
STEPS = 2000  # quantiles tried on the way up from LOWEST
GAP = 4  # windows: alarms this close are one
FEWEST_AN_HOUR = 30  # scores of an hour of the week and its neighbours; else the overall quantile
LEAST_OF_USUAL = 0.5  # an hour's threshold is never below this share of the overall one


@dataclass(frozen=True)
class Rule:
    """How a device's threshold follows from its held-out scores."""

    # 0.995: one window in 200 of healthy time lies above. Such windows come in runs, so that
    # at 5 min and three in a row this is an alarm a device a week on the servers' held-out
    # time, what an operator may be asked to look at in vain. 0.999 is decided by the one or
    # two largest of a week's scores. Another sampling rate or budget wants another quantile.
    name: str = QUANTILE
    parameter: float = 0.995
    factor: float = 3.0  # drift: the threshold follows so many times the rolling median
    minutes: float = 1440.0  # drift: of a day, so that a shift of the level is learnt in half one

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise ValueError(f"no threshold rule {self.name!r}; there are {', '.join(RULES)}")
        if self.name in {QUANTILE, HOUR_OF_WEEK, DRIFT, TAIL} and not 0 < self.parameter < 1:
            what = "a risk" if self.name == TAIL else "a quantile"
            raise ValueError(f"{what} lies between 0 and 1, got {self.parameter}")
        if self.name == BUDGET and not self.parameter > 0:
            raise ValueError(f"a budget is alarms a day, above 0, got {self.parameter}")
        if not (self.factor > 0 and self.minutes > 0):
            raise ValueError("factor and minutes must be above 0")

    @classmethod
    def of(cls, said: Threshold) -> "Rule":
        """The rule by which a bundle's thresholds came about."""
        return cls(
            said.rule,
            said.parameter,
            factor=said.factor or cls.factor,
            minutes=said.minutes or cls.minutes,
        )

    def said(self, windows: int) -> Threshold:
        """What the manifest says of thresholds from `windows` held-out windows a device."""
        drifts = self.name == DRIFT
        return Threshold(
            rule=self.name,  # type: ignore[arg-type] # one of RULES, as checked above
            parameter=self.parameter,
            windows=windows,
            factor=self.factor if drifts else None,
            minutes=self.minutes if drifts else None,
        )

    def threshold(self, score: Floats, step_ns: int = DAY_NS) -> float:
        """The threshold over one device's scores, shape (n,), `step_ns` apart.

        A quantile q lies between two scores, as numpy has it by default. Of as many more like
        them a share of 1 - (q (n - 1) + 1) / (n + 1) lies above: of 400 at 0.99 1.24 %, of 4000
        1.02 %. Score number ceil(q (n + 1)) would keep 1 - q (Vovk, Gammerman and Shafer,
        Algorithmic Learning in a Random World, 2005, section 2.2); the bundles that ship and the
        tables that judge them do not take it.
        """
        if self.name == MEAN_STD:
            return float(score.mean() + self.parameter * score.std())
        if self.name == BUDGET:
            return _budget(score, self.parameter * score.size * step_ns / DAY_NS)
        if self.name == TAIL:
            return _tail(score, self.parameter)
        return float(np.quantile(score, self.parameter))

    def by_hour(self, score: Floats, hour: NDArray[np.int64], usual: float) -> Floats:
        """A threshold for each hour of the week, (168,), by its scores and its neighbours'.

        Args:
            score: One device's held-out scores, shape (n,).
            hour: Hour of the week of each, shape (n,).
            usual: The overall threshold, for hours of which too little was seen.
        """
        table = np.full(HOURS, usual, np.float32)
        for h in range(HOURS):
            near = np.isin(hour, [(h - 1) % HOURS, h, (h + 1) % HOURS])
            if near.sum() >= FEWEST_AN_HOUR:
                own = float(np.quantile(score[near], self.parameter))
                table[h] = max(own, LEAST_OF_USUAL * usual)
        return table


def episodes(above: NDArray[np.bool_], gap: int = GAP) -> int:
    """Alarms in a row of windows: runs that are True, those at most `gap` apart taken as one."""
    at = np.flatnonzero(above)
    return 0 if not at.size else 1 + int((np.diff(at) > gap).sum())


def _budget(score: Floats, allowed: float) -> float:
    """The lowest quantile, from LOWEST up, that leaves at most `allowed` alarms."""
    for level in np.quantile(score, 1 - np.geomspace(1 - LOWEST, 1e-6, STEPS)):
        if episodes(score > level) <= allowed:
            return float(level)
    return float(score.max())


def _tail(score: Floats, risk: float) -> float:
    """What a score exceeds with probability `risk`; its quantile where the tail is too short."""
    try:
        return tail_level(score, risk)
    except ValueError:
        return float(np.quantile(score, 1 - risk))
