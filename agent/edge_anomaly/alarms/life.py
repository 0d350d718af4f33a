"""The life of an alarm: which state follows, and what is told of it. A table and nothing else.

`TABLE` is all of it. What is not in the table changes nothing. `latched` is what `cleared`
becomes where alarms latch; an event says CLEARED_UNACK of a latched alarm, as OPC UA Part 9
does. `again` is the re-alarm time, `withdrawn` is the device taken out of service or
forgotten. Over every state one of three may lie, the first of them is what is told:
OUT_OF_SERVICE, SHELVED, SUPPRESSED; the life below goes on, so that nothing is lost when the
cover is lifted.
"""

from enum import StrEnum
from typing import NamedTuple

__all__ = ["LIFE", "TABLE", "Change", "Life", "Step", "step", "told"]


TABLE = """\
| state         | change    | then          | event  |
|---------------|-----------|---------------|--------|
| NORMAL        | raised    | ACTIVE_UNACK  | new    |
| ACTIVE_UNACK  | worse     | ACTIVE_UNACK  | update |
| ACTIVE_UNACK  | better    | ACTIVE_UNACK  | update |
| ACTIVE_UNACK  | ack       | ACTIVE_ACK    | update |
| ACTIVE_UNACK  | again     | ACTIVE_UNACK  | update |
| ACTIVE_UNACK  | stale     | ACTIVE_UNACK  | update |
| ACTIVE_UNACK  | cleared   | CLEARED_UNACK | end    |
| ACTIVE_UNACK  | latched   | LATCHED       | update |
| ACTIVE_UNACK  | withdrawn | NORMAL        | end    |
| ACTIVE_ACK    | worse     | ACTIVE_UNACK  | update |
| ACTIVE_ACK    | better    | ACTIVE_ACK    | update |
| ACTIVE_ACK    | again     | ACTIVE_UNACK  | update |
| ACTIVE_ACK    | stale     | ACTIVE_ACK    | update |
| ACTIVE_ACK    | cleared   | CLEARED_ACK   | end    |
| ACTIVE_ACK    | latched   | CLEARED_ACK   | end    |
| ACTIVE_ACK    | withdrawn | NORMAL        | end    |
| LATCHED       | raised    | ACTIVE_UNACK  | update |
| LATCHED       | ack       | CLEARED_ACK   | end    |
| LATCHED       | withdrawn | NORMAL        | end    |
| CLEARED_UNACK | raised    | ACTIVE_UNACK  | new    |
| CLEARED_UNACK | ack       | CLEARED_ACK   | update |
| CLEARED_ACK   | raised    | ACTIVE_UNACK  | new    |
"""


class Life(StrEnum):
    """Where an alarm stands, whatever covers it."""

    NORMAL = "NORMAL"
    ACTIVE_UNACK = "ACTIVE_UNACK"
    ACTIVE_ACK = "ACTIVE_ACK"
    LATCHED = "LATCHED"
    CLEARED_UNACK = "CLEARED_UNACK"
    CLEARED_ACK = "CLEARED_ACK"

    @property
    def open(self) -> bool:
        """Whether its event has not ended."""
        return self in {Life.ACTIVE_UNACK, Life.ACTIVE_ACK, Life.LATCHED}


class Change(StrEnum):
    """What happens to an alarm; the first eight may change its life."""

    RAISED = "raised"
    WORSE = "worse"
    BETTER = "better"
    CLEARED = "cleared"
    LATCHED = "latched"
    ACK = "ack"
    AGAIN = "again"
    STALE = "stale"
    WITHDRAWN = "withdrawn"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"


class Step(NamedTuple):
    """What a change leads to."""

    then: Life
    event: str  # new | update | end


def _read(table: str) -> dict[tuple[Life, Change], Step]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| ")
    ][1:]
    return {
        (Life(state), Change(change)): Step(Life(then), event)
        for state, change, then, event in rows
    }


LIFE = _read(TABLE)


def step(state: Life, change: Change) -> Step | None:
    """What follows `change`; None where it changes nothing."""
    return LIFE.get((state, change))


def told(state: Life, *, out: bool = False, shelved: bool = False, suppressed: bool = False) -> str:
    """The word for it in events and on the state topic."""
    if out:
        return "OUT_OF_SERVICE"
    if shelved:
        return "SHELVED"
    if suppressed:
        return "SUPPRESSED"
    return "CLEARED_UNACK" if state is Life.LATCHED else str(state)
