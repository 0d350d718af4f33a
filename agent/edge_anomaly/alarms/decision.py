"""Scores to verdicts: one small machine a device and detector.

First the *condition*, of the ratio score / threshold:

| condition | what counts                       | turns when                                    |
|-----------|-----------------------------------|-----------------------------------------------|
| off       | ratio above `raise.above`         | `raise.windows` of the last `raise.of` (in a  |
|           |                                   | row by default), the first `raise.for` ago    |
| on        | ratio below `clear.below`         | `clear.windows` in a row, the first           |
|           |                                   | `clear.for` ago                               |

then the *event* that is told of it:

| event   | when                                                     | verdict           |
|---------|----------------------------------------------------------|-------------------|
| none    | the condition has lasted `minimum`, gaps included        | raised            |
| stands  | the ratio reaches the level of a higher severity         | worse             |
| stands  | it stays below its severity's level, times the deadband, | better            |
|         | for `clear.windows` and `clear.for`, and does not clear  |                   |
| stands  | the condition has been off for `merge_gap`               | cleared           |

So events shorter than `minimum` are never told, and events less than `merge_gap` apart are
one: the same as if the whole record had been looked at afterwards. A window that could not
be scored neither lengthens nor ends a run. Words follow OPC UA Part 9: the counts are
on-delay and off-delay, the distance of the two levels is the deadband.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Alarms

__all__ = ["Hysteresis", "Verdict"]


class Verdict(Enum):
    """What a window changed."""

    NOTHING = "nothing"
    RAISED = "raised"
    WORSE = "worse"
    BETTER = "better"
    CLEARED = "cleared"


@dataclass
class Hysteresis:
    """One machine; its fields are its state."""

    rules: Alarms
    active: bool = False  # an event stands
    severity: str = ""
    start_ns: int = 0  # of the event: the first window of its first run
    end_ns: int = 0  # of the event, once it is over: the first window that spoke for it
    hold_ns: int = 0  # a merge gap that is longer than the rules' own, for a while
    on: bool = False  # the condition
    pending: bool = False  # it is on, or in a gap, and no event is told of it yet
    recent: deque[int | None] = field(default_factory=deque)  # newest windows: time if above
    since_ns: int | None = None  # begin of the run that will turn the condition on
    run: int = 0  # windows in a row that speak for an end
    run_start_ns: int = 0
    ease: int = 0  # windows in a row that speak for a lower severity
    ease_start_ns: int = 0
    ease_peak: float = 0.0

    def __post_init__(self) -> None:
        rules = self.rules.raise_
        self.recent = deque(self.recent, maxlen=rules.of or rules.windows)

    def elapse(self, t_ns: int) -> Verdict:
        """What the time before the next scored window brought; to be asked before `step`.

        A run that begins with that window cannot be merged any more into an event whose
        gap has passed by then, even where one window is enough to raise.
        """
        if self._over(t_ns):
            self.pending = False
            if self.active:
                self.active = False
                return Verdict.CLEARED
        return Verdict.NOTHING

    def step(self, ratio: float, t_ns: int) -> Verdict:
        """Take the next scored window.

        Args:
            ratio: Score / threshold, not NaN.
            t_ns: End of the window.
        """
        if self.on:
            self._while_on(ratio, t_ns)
        else:
            self._while_off(ratio, t_ns)
        if self.active:
            return self._while_active(ratio, t_ns)
        if not self.pending:
            return Verdict.NOTHING
        if self.on and not self.run and t_ns - self.start_ns >= self.rules.minimum:
            self.active, self.pending, self.ease = True, False, 0
            self.severity = self._severity(ratio)
            return Verdict.RAISED
        self.pending = not self._over(t_ns)
        return Verdict.NOTHING

    def _while_off(self, ratio: float, t_ns: int) -> None:
        rules = self.rules.raise_
        above = ratio > rules.above
        if not above and not self.recent:
            return  # nearly always
        self.recent.append(t_ns if above else None)
        times = [t for t in self.recent if t is not None]
        if not times:
            self.recent.clear()
        if len(times) < rules.windows:
            self.since_ns = None
            return
        self.since_ns = times[0] if self.since_ns is None else self.since_ns
        if t_ns - self.since_ns < rules.for_:
            return
        if not self.active and not self.pending:
            self.start_ns, self.pending = self.since_ns, True
        self.on, self.run, self.since_ns = True, 0, None
        self.recent.clear()

    def _while_on(self, ratio: float, t_ns: int) -> None:
        rules = self.rules.clear
        if ratio >= rules.below:
            self.run = 0
            return
        self.run_start_ns = self.run_start_ns if self.run else t_ns
        self.run += 1
        if self.run >= rules.windows and t_ns - self.run_start_ns >= rules.for_:
            self.on, self.run, self.end_ns = False, 0, self.run_start_ns

    def _while_active(self, ratio: float, t_ns: int) -> Verdict:
        if self._over(t_ns):
            self.active = False
            return Verdict.CLEARED
        if not self.on:
            return Verdict.NOTHING
        levels = self.rules.severities
        now = self._severity(ratio)
        if levels[now] > levels[self.severity]:
            self.severity, self.ease = now, 0
            return Verdict.WORSE
        return self._easing(ratio, t_ns)

    def _easing(self, ratio: float, t_ns: int) -> Verdict:
        rules = self.rules
        deadband = rules.clear.below / rules.raise_.above
        if ratio >= rules.severities[self.severity] * deadband:
            self.ease = 0
            return Verdict.NOTHING
        if not self.ease:
            self.ease_start_ns, self.ease_peak = t_ns, 0.0
        self.ease += 1
        self.ease_peak = max(self.ease_peak, ratio)
        lower = self._severity(self.ease_peak / deadband)
        if (
            self.run  # it may be about to end altogether
            or self.ease < rules.clear.windows
            or t_ns - self.ease_start_ns < rules.clear.for_
            or lower == self.severity
        ):
            return Verdict.NOTHING
        self.severity, self.ease = lower, 0
        return Verdict.BETTER

    def _over(self, t_ns: int) -> bool:
        """Whether nothing can be merged any more into what was."""
        if self.on:
            return False
        gap = max(self.rules.merge_gap, self.hold_ns)
        begun = self.since_ns
        if begun is None:
            begun = next((t for t in self.recent if t is not None), None)
        if begun is not None and begun - self.end_ns < gap:
            return False  # a run is under way that would be part of it
        return t_ns - self.end_ns >= gap

    def _severity(self, ratio: float) -> str:
        levels = sorted(self.rules.severities.items(), key=lambda level: level[1])
        reached = [name for name, level in levels if ratio >= level]
        return reached[-1] if reached else levels[0][0]

    def reset(self) -> None:
        """Forget everything, as if just begun."""
        fresh = Hysteresis(self.rules)
        self.__dict__.update(fresh.__dict__)

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        state = {name: value for name, value in self.__dict__.items() if name != "rules"}
        return state | {"recent": list(self.recent)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off, under today's rules.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            restored = Hysteresis(self.rules, **state)
        except TypeError as exc:
            raise StateError(f"alarm decision: {exc}") from exc
        if restored.active and restored.severity not in self.rules.severities:
            restored.severity = self._severity(0.0)  # the name is gone from the config
        self.__dict__.update(restored.__dict__)
