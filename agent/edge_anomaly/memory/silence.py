"""Which subscriptions have fallen silent, judged by what was usual on each of them. Pure.

A connection can be up and its subscriptions gone: after a broker's restart, or a failover of
which nobody told us. Nothing but the silence shows it.

| silent for             | then                                                      |
|------------------------|-----------------------------------------------------------|
| 1 x the limit          | the filter is subscribed to again                         |
| 2 x, 4 x, 8 x ...      | the connection is made anew, ever more rarely             |

The limit is 20 times the usual gap between messages, and a minute at least. A filter on which
few messages have come has no usual gap, and none is watched before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

__all__ = ["Silence", "Step"]

TIMES = 20.0  # the usual gap; a plant that takes a break is not deaf yet
LEAST_S = 60.0
FEW = 10  # gaps
WEIGHT = 0.1  # of the newest gap in what is usual


class Step(Enum):
    """What a silence calls for."""

    SUBSCRIBE = "subscribe"
    RECONNECT = "reconnect"


@dataclass
class _Filter:
    """One subscription."""

    heard_s: float | None = None
    usual_s: float = 0.0
    gaps: int = 0
    taken: int = 0  # steps since it fell silent

    def hear(self, now_s: float) -> None:
        if self.heard_s is not None and not self.taken:
            gap = now_s - self.heard_s
            self.gaps += 1
            weight = max(WEIGHT, 1.0 / self.gaps)
            self.usual_s += weight * (gap - self.usual_s)
        self.heard_s, self.taken = now_s, 0

    def step(self, now_s: float, least_s: float) -> Step | None:
        if self.heard_s is None or self.gaps < FEW:
            return None
        limit = max(least_s, TIMES * self.usual_s)
        if now_s - self.heard_s < limit * 2**self.taken:
            return None
        self.taken += 1
        return Step.SUBSCRIBE if self.taken == 1 else Step.RECONNECT


class Silence:
    """A watch over topic filters."""

    def __init__(self, filters: Iterable[str], least_s: float = LEAST_S) -> None:
        self._filters = {name: _Filter() for name in filters}
        self._least_s = least_s

    @property
    def names(self) -> list[str]:
        """The filters that are watched."""
        return list(self._filters)

    @property
    def silent(self) -> list[str]:
        """Filters on which something should have come by now."""
        return [name for name, one in self._filters.items() if one.taken]

    def hear(self, names: Iterable[str], now_s: float) -> None:
        """Something has come on these filters."""
        for name in names:
            self._filters[name].hear(now_s)

    def pause(self, now_s: float) -> None:
        """A connection was made: no gap is counted across it, and all is given time anew."""
        for one in self._filters.values():
            if one.heard_s is not None and not one.taken:
                one.heard_s = now_s

    def steps(self, now_s: float) -> list[tuple[str, Step]]:
        """What is to be done now, each once."""
        found = ((name, one.step(now_s, self._least_s)) for name, one in self._filters.items())
        return [(name, step) for name, step in found if step is not None]
