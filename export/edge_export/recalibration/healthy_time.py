"""One device's scored time: thresholds from its healthy part, alarms in it, operators' verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_anomaly.files.bundle import Manifest
from edge_anomaly.files.config import Alarms
from edge_anomaly.scoring import Thresholds
from edge_export.calibration.calibrate import MINIMUM, thresholds
from edge_export.calibration.rates import Rate, rate
from edge_export.calibration.rules import BUDGET, DRIFT, HOUR_OF_WEEK, QUANTILE, TAIL, Rule
from edge_export.calibration.tail import FEWEST, START
from edge_export.evaluation import metrics
from edge_export.evaluation.detectors import Scored
from edge_export.evaluation.figures import standing
from edge_export.recalibration.verdicts import Verdict

__all__ = ["HealthyTime"]

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]

DAY_NS = 86_400 * 10**9
FEW_WINDOWS = 5  # above a quantile: below it chance sets the threshold
FEW_ALARMS = 3  # that a budget must allow in the time looked at: were it kept, none is a 5 % case
FEW_WEEKS = 3  # each hour of the week must have come so often
BEYOND = 100  # a tail is stretched to what comes once in so many times the time seen, no further


@dataclass(frozen=True)
class HealthyTime:
    """One device's windows in time order, of time that the model did not learn from."""

    manifest: Manifest
    device: str
    score: Floats  # (N,)
    slot: NDArray[np.int64]  # (N,) newest slot of each window
    bad: Flags  # (N,) in a confirmed event, or just behind one
    alarms: Alarms  # when the agent raises and clears

    @property
    def step_ns(self) -> int:
        """Time from window to window."""
        return self.manifest.period_ns * self.manifest.branches[0].hop

    @property
    def end_ns(self) -> NDArray[np.int64]:
        """End of each window, (N,)."""
        return (self.slot + 1) * self.manifest.period_ns

    @property
    def days(self) -> float:
        """Of healthy time."""
        return float(np.count_nonzero(~self.bad) * self.step_ns / DAY_NS)

    def check(self, rule: Rule) -> None:
        """Whether there is healthy time enough for the rule.

        Raises:
            RecordingError: There is too little; says how much is needed.
        """
        windows = int(np.count_nonzero(~self.bad))
        need = MINIMUM
        if rule.name in {QUANTILE, DRIFT}:
            need = max(need, int(np.ceil(round(FEW_WINDOWS / (1 - rule.parameter), 6))))
        elif rule.name == TAIL:
            need = max(need, round(FEWEST / (1 - START)), int(np.ceil(1 / rule.parameter / BEYOND)))
        elif rule.name == BUDGET:
            need = max(need, int(np.ceil(FEW_ALARMS / rule.parameter * DAY_NS / self.step_ns)))
        elif rule.name == HOUR_OF_WEEK:
            need = max(need, FEW_WEEKS * 7 * DAY_NS // self.step_ns)
        if windows < need:
            raise RecordingError(
                f"{self.device}: {windows} windows ({self.days:.2g} days) of healthy time say too "
                f"little for the rule {rule.name} {rule.parameter:g}: {need} are needed "
                f"({need * self.step_ns / DAY_NS:.2g} days)"
            )

    def fit(self, rule: Rule, rows: Flags | None = None) -> Arrays:
        """Threshold arrays, a row for this device alone, from `rows` of the healthy windows."""
        kept = ~self.bad if rows is None else ~self.bad & rows
        none = np.zeros(int(kept.sum()), np.int64)
        return thresholds(self._alone(rule), self.score[kept], none, self.end_ns[kept], rule)

    def ratio(self, rule: Rule, fitted: Arrays, factor: float = 1.0) -> Floats:
        """Score by threshold of every window, as the agent has it, (N,)."""
        moved = {key: value * np.float32(factor) for key, value in fitted.items()}
        running = Thresholds(self._alone(rule), moved)
        none = np.zeros(self.score.size, np.int64)
        found: Floats = self.score / running.run(self.score, none, self.end_ns)
        return found

    def false_alarms(self, rule: Rule, factor: float = 1.0) -> Rate:
        """False alarms a day with thresholds from one half of the time, counted in the other.

        Halves too short for a threshold of their own are judged by that of the whole, which
        flatters it.
        """
        healthy = np.flatnonzero(~self.bad)
        first = np.zeros(self.score.size, np.bool_)
        first[: healthy[healthy.size // 2]] = True
        count = 0
        for half in (first, ~first):
            learnt = ~half if np.count_nonzero(~half & ~self.bad) >= MINIMUM else None
            ratio = self.ratio(rule, self.fit(rule, learnt), factor)
            stands = standing(Scored(ratio, np.ones_like(ratio)), self.alarms)
            count += sum(
                half[start] and not self.bad[start:stop].any()
                for start, stop in metrics.spans(stands).tolist()
            )
        return rate(int(count), self.days)

    def levels(
        self, ratio: Floats, verdicts: Sequence[Verdict]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The highest factors at which confirmed events, and false alarms, are still raised.

        Raises:
            RecordingError: A verdict is about a time without windows.
        """
        found: tuple[list[float], list[float]] = ([], [])
        run = self.alarms.raise_.windows
        for verdict in verdicts:
            start = self.slot * self.manifest.period_ns
            told = ratio[(start < verdict.end_ns) & (self.end_ns > verdict.start_ns)]
            if not told.size:
                raise RecordingError(
                    f"{self.device}: the recordings hold nothing of the event at "
                    f"{np.datetime64(verdict.start_ns, 'ns')} that {_word(verdict)}"
                )
            runs = np.lib.stride_tricks.sliding_window_view(told, min(run, told.size))
            found[0 if verdict.real else 1].append(float(runs.min(axis=1).max()))
        return np.array(found[0]), np.array(found[1])

    def factor(self, rule: Rule, fitted: Arrays, verdicts: Sequence[Verdict]) -> float:
        """What moves the thresholds to where fewest verdicts are gone against; 1: nowhere.

        Of equally good places the one nearest to the rule's own; between a confirmed event and
        a false alarm, the geometric middle.

        Raises:
            RecordingError: A verdict is about a time without windows.
        """
        real, false = self.levels(self.ratio(rule, fitted), verdicts)
        levels = np.unique(np.concatenate([real, false]))
        if not levels.size:
            return 1.0
        between = np.sqrt(levels[:-1] * levels[1:])
        places = np.concatenate([[1.0, levels[0] * 0.95, levels[-1] * 1.05], between])
        wrong = [int((real <= at).sum() + (false > at).sum()) for at in places]
        best = np.flatnonzero(np.array(wrong) == min(wrong))
        return float(places[best[np.abs(np.log(places[best])).argmin()]])

    def _alone(self, rule: Rule) -> Manifest:
        """The manifest as if there were only this device."""
        windows = max(1, int(np.count_nonzero(~self.bad)))
        said = rule.said(windows)
        return msgspec.structs.replace(self.manifest, devices=[self.device], threshold=said)


def _word(verdict: Verdict) -> str:
    return "was confirmed" if verdict.real else "was called false"
