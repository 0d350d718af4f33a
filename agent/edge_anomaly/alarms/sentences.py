"""What an operator reads: one plain sentence an event, without a word of data science."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from edge_anomaly.values import Contributor, Where, iso

__all__ = ["Told", "lasting", "minute", "sentence", "signals_off"]

TWO_MINUTES = 120  # seconds; until then they read well as seconds

_ENDINGS = {
    "worse": " and it grew worse",
    "better": " and it grew less",
    "again": " and it still lasts",
    "stale": " and it still lasts",
    "ack": "; acknowledged",
    "shelved": "; shelved",
    "unshelved": "; no longer shelved",
    "suppressed": "; suppressed by planned work",
    "unsuppressed": "; no longer suppressed",
    "latched": "; back to normal, waits to be acknowledged",
}
_FAREWELLS = {
    "withdrawn": "taken out of service",
    "forgotten": "not heard for so long that it is forgotten",
}


class Told(Protocol):
    """What a sentence needs of an event."""

    start_ns: int
    end_ns: int | None
    text: str
    contributors: list[Contributor]


def sentence(device: str, event: Told, *, ended: bool, change: str = "") -> str:
    """Device, what, where and since when; of an event that is over, how long it lasted."""
    if ended:
        lasted = lasting((event.end_ns or event.start_ns) - event.start_ns)
        blamed = " and ".join(part.signal for part in event.contributors[:2])
        cause = f"; it was {blamed or event.text}" if blamed or event.text else ""
        if change in _FAREWELLS:
            return f"{device}: {_FAREWELLS[change]}{cause}"
        seen = "; acknowledged" if change == "ack" else ""
        return f"{device}: back to normal after {lasted}{cause}{seen}"
    return f"{device}: {event.text}{_ENDINGS.get(change, '')}, since {minute(event.start_ns)}"


def signals_off(
    contributors: Sequence[Contributor],
    units: Mapping[str, str],
    where: Where | None = None,
    *,
    heard: bool = False,
) -> str:
    """The cause of an anomaly in words.

    Args:
        contributors: The largest share first.
        units: Of the signals.
        where: The part of the window that is to blame.
        heard: It is in the sound of the signals and not in their level, which is told beside it.
    """
    if not contributors:
        return "unusual behaviour of all signals together"
    first = contributors[0]
    unit = units.get(first.signal, "")
    others = f", then {contributors[1].signal}" if len(contributors) > 1 else ""
    place = f", most of it from {where.start[11:16]} to {where.end[11:16]}" if where else ""
    if heard:
        return (
            f"{first.signal} vibrates unlike its healthy self, at {_with_unit(first.value, unit)} "
            f"({first.share:.0%} of the deviation{others}{place})"
        )
    return (
        f"{first.signal} is {_with_unit(first.value, unit)} where "
        f"{_with_unit(first.expected, unit)} is expected "
        f"({first.share:.0%} of the deviation{others}{place})"
    )


def minute(t_ns: int) -> str:
    """A time for people."""
    return iso(t_ns)[:19].replace("T", " ") + " UTC"


def lasting(ns: int) -> str:
    """A length of time for people: 40 s, 12 min, 3 h 5 min."""
    seconds = ns // 10**9
    if seconds < TWO_MINUTES:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < TWO_MINUTES else f"{minutes // 60} h {minutes % 60} min"


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()
