"""Planned work: when a device's alarms are suppressed, and by what."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge_anomaly.files.rules import Alarms, Calendar

__all__ = ["Span", "Suppression", "calendars_of", "nanoseconds"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of suppressed time, [start, end)."""

    start_ns: int
    end_ns: int
    name: str


def nanoseconds(moment: datetime) -> int:
    """Unix time of an aware datetime."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


def calendars_of(rules: Alarms, device: str) -> list[Calendar]:
    """The calendars that name `device` or one of its groups."""
    return [
        calendar
        for calendar in rules.maintenance
        if any(fnmatchcase(device, pattern) for pattern in calendar.devices)
        or any(
            fnmatchcase(device, pattern)
            for group in calendar.groups
            for pattern in rules.groups[group]
        )
    ]


class Suppression:
    """The planned work on one device; time may go forth and back."""

    def __init__(self, calendars: Iterable[Calendar]) -> None:
        self._calendars = list(calendars)
        self.asked: list[Span] = []  # by command
        self._known = Span(0, 0, "")  # the last answer and how long it holds

    def at(self, t_ns: int) -> str | None:
        """What suppresses alarms at `t_ns`, or None."""
        if not self._calendars and not self.asked:
            return None
        for span in self.asked:
            if span.start_ns <= t_ns < span.end_ns:
                return span.name
        if not self._known.start_ns <= t_ns < self._known.end_ns:
            self._known = self._planned(t_ns)
        return self._known.name or None

    def ask(self, span: Span) -> None:
        """Suppress for a while; what is over is forgotten."""
        self.asked = [old for old in self.asked if old.end_ns > span.start_ns] + [span]

    def _planned(self, t_ns: int) -> Span:
        """The answer around `t_ns`, and how long it holds (a day at most)."""
        day_ns = 86_400 * 10**9
        first, last = t_ns - day_ns, t_ns + day_ns
        for calendar in self._calendars:
            for span in _spans(calendar, t_ns):
                if span.start_ns <= t_ns < span.end_ns:
                    return span
                if span.end_ns <= t_ns:
                    first = max(first, span.end_ns)
                else:
                    last = min(last, span.start_ns)
        return Span(first, last, "")


def _spans(calendar: Calendar, t_ns: int) -> list[Span]:
    """The stretches of `calendar` that begin within two days of `t_ns`, or its only one."""
    if calendar.start is not None and calendar.end is not None:
        return [Span(nanoseconds(calendar.start), nanoseconds(calendar.end), calendar.name)]
    begin, finish = calendar.hours
    zone = ZoneInfo(calendar.timezone)
    today = (_EPOCH + timedelta(microseconds=t_ns // 1_000)).astimezone(zone).date()
    found = []
    for offset in (-2, -1, 0, 1, 2):
        day: date = today + timedelta(days=offset)
        if _DAYS[day.weekday()] not in calendar.days:
            continue
        start = datetime.combine(day, begin, zone)
        overnight = timedelta(days=finish <= begin)
        end = datetime.combine(day + overnight, finish, zone)
        found.append(
            Span(
                nanoseconds(start.astimezone(UTC)), nanoseconds(end.astimezone(UTC)), calendar.name
            )
        )
    return found
