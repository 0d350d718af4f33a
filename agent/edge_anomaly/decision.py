"""Scores to verdicts: hysteresis, one small machine a device.

| state  | ratio = score / threshold           | count               | then    |
|--------|-------------------------------------|---------------------|---------|
| normal | above `raise.above`                 | `raise.windows` run | raised  |
| active | its severity's level is higher      | at once             | worse   |
| active | below `clear.below`                 | `clear.windows` run | cleared |

A run is of scored windows in a row; a window that could not be scored neither
lengthens nor ends it. Words follow OPC UA Part 9: the counts are on-delay and off-delay.
"""

from dataclasses import dataclass
from enum import Enum

from edge_anomaly.config import Alarms

__all__ = ["Hysteresis", "Verdict"]


class Verdict(Enum):
    """What a window changed."""

    NOTHING = "nothing"
    RAISED = "raised"
    WORSE = "worse"
    CLEARED = "cleared"


@dataclass
class Hysteresis:
    """One device's machine; its fields are its state."""

    rules: Alarms
    active: bool = False
    severity: str = ""
    run: int = 0  # windows in a row that speak for a change
    run_start_ns: int = 0  # the first of them

    def step(self, ratio: float, t_ns: int) -> Verdict:
        """Take the next scored window.

        Args:
            ratio: Score / threshold, finite.
            t_ns: End of the window.
        """
        speaks = ratio < self.rules.clear.below if self.active else ratio > self.rules.raise_.above
        if speaks:
            self.run_start_ns = self.run_start_ns if self.run else t_ns
            self.run += 1
        else:
            self.run = 0
        if self.active:
            return self._while_active(ratio)
        if self.run < self.rules.raise_.windows:
            return Verdict.NOTHING
        self.active, self.run = True, 0
        self.severity = self._severity(ratio)
        return Verdict.RAISED

    def _while_active(self, ratio: float) -> Verdict:
        if self.run >= self.rules.clear.windows:
            self.active, self.run = False, 0
            return Verdict.CLEARED
        severity = self._severity(ratio)
        levels = self.rules.severities
        if levels[severity] > levels[self.severity]:
            self.severity = severity
            return Verdict.WORSE
        return Verdict.NOTHING

    def _severity(self, ratio: float) -> str:
        levels = sorted(self.rules.severities.items(), key=lambda level: level[1])
        reached = [name for name, level in levels if ratio >= level]
        return reached[-1] if reached else levels[0][0]
