"""How many alarms the operators get: the figures of OPC UA Part 9, and the flood guard.

Every time is the alarms' own, so that a replay counts as the live run does. A flood is more
than `flood.alarms` new alarms `within` a stretch; it ends when half as many are left in it.
"""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Flood
from edge_anomaly.values import Rates

__all__ = ["AlarmRates", "Raised", "Turn"]

DAY_NS = 86_400 * 10**9
TEN_MINUTES_NS = 600 * 10**9
REMEMBERED = 20_000  # new alarms of the last day; beyond it the day's figure is a lower bound
TALKERS = 10


class Raised(msgspec.Struct, frozen=True, array_like=True):
    """A new alarm."""

    t_ns: int
    device: str
    event_id: str
    message: str


class Turn(NamedTuple):
    """A flood begins or ends."""

    begins: bool
    alarms: list[Raised]  # the first out first


class AlarmRates:
    """Counts new alarms."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._day: deque[Raised] = deque(maxlen=REMEMBERED)
        self._total = 0
        self._most = 0
        self._in_flood_ns = 0
        self._members: list[Raised] = []  # of the flood that is on
        self._newest_ns = 0

    @property
    def flooded(self) -> bool:
        """Whether a flood is on."""
        return bool(self._members)

    def add(self, alarm: Raised) -> Turn | None:
        """Count a new alarm; the flood that it begins, if it does."""
        self._total += 1
        self._day.append(alarm)
        self._newest_ns = max(self._newest_ns, alarm.t_ns)
        self._most = max(self._most, self._since(TEN_MINUTES_NS, alarm.t_ns))
        if self._members:
            self._members.append(alarm)
            return None
        recent = [one for one in self._day if one.t_ns > alarm.t_ns - self._flood.within]
        if len(recent) <= self._flood.alarms:
            return None
        self._members = sorted(recent, key=lambda one: (one.t_ns, one.device))
        return Turn(begins=True, alarms=self._members)

    def advance(self, t_ns: int) -> Turn | None:
        """Let time pass; the flood that is over, if one is. Cheap where none is on."""
        if not self._members or t_ns <= self._newest_ns:
            return None
        if self._since(self._flood.within, t_ns) * 2 > self._flood.alarms:
            return None
        members, self._members = self._members, []
        self._in_flood_ns += t_ns - members[0].t_ns
        return Turn(begins=False, alarms=members)

    def figures(self, t_ns: int) -> Rates:
        """As of now."""
        talkers = Counter(one.device for one in self._day if one.t_ns > t_ns - DAY_NS)
        current = t_ns - self._members[0].t_ns if self._members else 0
        return Rates(
            total=self._total,
            per_10min=self._since(TEN_MINUTES_NS, t_ns),
            most_per_10min=self._most,
            per_day=talkers.total(),
            in_flood_s=(self._in_flood_ns + max(0, current)) / 1e9,
            flooded=self.flooded,
            talkers=dict(talkers.most_common(TALKERS)),
        )

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "day": msgspec.to_builtins(list(self._day)),
            "members": msgspec.to_builtins(self._members),
            "total": self._total,
            "most": self._most,
            "in_flood_ns": self._in_flood_ns,
            "newest_ns": self._newest_ns,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            day = msgspec.convert(state["day"], list[Raised])
            members = msgspec.convert(state["members"], list[Raised])
            names = ("total", "most", "in_flood_ns", "newest_ns")
            total, most, in_flood, newest = (msgspec.convert(state[n], int) for n in names)
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"alarm rates: {exc}") from exc
        self._day = deque(day, maxlen=REMEMBERED)
        self._members, self._total, self._most = members, total, most
        self._in_flood_ns, self._newest_ns = in_flood, newest

    def _since(self, length_ns: int, t_ns: int) -> int:
        """New alarms in (t - length, t]."""
        count = 0
        for one in reversed(self._day):
            if one.t_ns <= t_ns - 2 * length_ns:  # devices report in turn, a little out of order
                break
            count += t_ns - length_ns < one.t_ns <= t_ns
        return count
