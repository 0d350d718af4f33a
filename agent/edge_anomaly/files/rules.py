"""How scores become alarms, and what operators may do about them: part of plant.yaml."""

from datetime import datetime, time
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from edge_anomaly.files.duration import Duration, lasting

__all__ = [
    "Alarms",
    "Calendar",
    "Chatter",
    "Clear",
    "Commands",
    "Day",
    "Drifting",
    "Flood",
    "NoData",
    "Raise",
    "Stuck",
    "Trending",
]

Level = Annotated[float, msgspec.Meta(gt=0)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
# YAML reads 14:00 as a number to the base of 60 and 06:00 as text; both are welcome.
Clock = (
    Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
    | Annotated[int, msgspec.Meta(ge=0, lt=24 * 60)]
)
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Raise(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"for_": "for"},
):
    """When an alarm begins: its on-delay."""

    above: Level = 1.0  # score / threshold
    windows: Positive = 3  # that many ...
    of: Positive | None = None  # ... of the last so many; absent: in a row
    for_: Duration = lasting("0s")  # and that long, from the first of them to the newest

    def __post_init__(self) -> None:
        if self.of is not None and self.of < self.windows:
            raise ValueError(f"{self.windows} of {self.of} windows can never be")


class Clear(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"for_": "for"},
):
    """When an alarm ends: its off-delay."""

    below: Level = 0.8  # score / threshold
    windows: Positive = 5  # in a row
    for_: Duration = lasting("0s")  # and that long


class Flood(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """More new alarms than an operator can take in (EEMUA 191: 10 in 10 minutes)."""

    alarms: Positive = 10  # more than this ...
    within: Duration = lasting("10min")


class Chatter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An alarm that comes and goes: from then on it stands until it has been quiet as long."""

    transitions: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 3
    within: Duration = lasting("1min")


class Trending(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a `degrading` advisory tells that the alarm level will be reached."""

    span: Duration = lasting("12h")  # that the slope is drawn through
    horizon: Duration = lasting("24h")  # it is told if the level is less far away
    growth: Annotated[float, msgspec.Meta(gt=1)] = 1.3  # and the score grew so much, for certain


class Drifting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a `drift` advisory compares readings and scores with healthy time."""

    samples: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 200  # windows that share nothing
    over: Duration = lasting("24h")  # and at least so long


class Stuck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a signal that reads the same all the time is told as `stuck`."""

    after: Duration = lasting("10min")  # or three times the longest flat stretch learnt from
    signals: list[Name] = []  # watched too where the bundle does not tell what is usual


class NoData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When silence of a device, or of some of its signals, is told as `no-data`."""

    after: Duration = lasting("5min")  # and three periods of the model at least
    signals: list[Name] | None = None  # that must keep coming; absent: all


class Calendar(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"from_": "from"},
):
    """Planned work: alarms are suppressed, scores are not. Once, or on days of the week."""

    name: Name
    devices: list[Name] = []  # ids or patterns
    groups: list[Name] = []  # of `alarms.groups`
    start: Moment | None = None
    end: Moment | None = None
    days: list[Day] = []
    from_: Clock | None = None  # of the day, HH:MM
    to: Clock | None = None  # at `from` or before it: on the next day
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not self.devices and not self.groups:
            raise ValueError("name the devices or the groups")
        if (self.start is None) == (not self.days):
            raise ValueError("expected either start and end, or days with from and to")
        if self.start is not None and (self.end is None or self.end <= self.start):
            raise ValueError("end must be after start")
        if self.days and (self.from_ is None or self.to is None):
            raise ValueError("days need from and to")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as exc:
            raise ValueError(f"no time zone {self.timezone!r} on this machine") from exc

    @property
    def hours(self) -> tuple[time, time]:
        """`from` and `to`, of a calendar with days."""
        return _time(self.from_), _time(self.to)


def _time(clock: str | int | None) -> time:
    if isinstance(clock, str):
        return time.fromisoformat(clock)
    return time(*divmod(clock or 0, 60))


class Alarms(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"raise_": "raise"},
):
    """How scores become alarms."""

    # Made by factories: a JSON Schema cannot hold the Durations of a default.
    raise_: Raise = msgspec.field(default_factory=Raise)
    clear: Clear = msgspec.field(default_factory=Clear)
    minimum: Duration = lasting("0s")  # shorter events are not told
    merge_gap: Duration = lasting("0s")  # events less far apart are one
    severities: dict[str, Level] = msgspec.field(  # from this score / threshold on
        default_factory=lambda: {"warning": 1.0, "critical": 2.0}
    )
    latching: bool = False  # an alarm stands until it is acknowledged, whatever the score
    realarm: Duration | None = None  # how long until an active alarm is told anew
    stale: Duration = lasting("24h")  # an alarm that stands so long is told as stale, once
    trend: Trending | None = None  # `{}` turns it on
    drift: Drifting | None = msgspec.field(default_factory=Drifting)  # where the bundle can tell
    stuck: Stuck | None = msgspec.field(default_factory=Stuck)
    no_data: NoData | None = msgspec.field(default_factory=NoData)
    flood: Flood = msgspec.field(default_factory=Flood)
    chatter: Chatter = msgspec.field(default_factory=Chatter)
    groups: dict[Name, list[Name]] = {}  # line or area: ids or patterns of its devices
    maintenance: list[Calendar] = []
    longest_shelve: Duration = lasting("24h")
    scale: tuple[Level, Level] = (0.5, 3.0)  # how far `cmd/threshold` may go

    def __post_init__(self) -> None:
        if self.clear.below > self.raise_.above:
            raise ValueError(
                f"clear.below {self.clear.below} must not exceed raise.above {self.raise_.above}"
            )
        if not self.severities or min(self.severities.values()) > self.raise_.above:
            raise ValueError("severities: one must begin at raise.above or below it")
        if not self.scale[0] <= 1.0 <= self.scale[1]:
            raise ValueError("scale: 1, as trained, must lie between the limits")
        for calendar in self.maintenance:
            for group in calendar.groups:
                if group not in self.groups:
                    raise ValueError(f"maintenance {calendar.name!r}: no group {group!r}")

    def group_of(self, device: str) -> str | None:
        """The first group that `device` belongs to."""
        for group, patterns in self.groups.items():
            if any(fnmatchcase(device, pattern) for pattern in patterns):
                return group
        return None


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be asked of the agent over MQTT."""

    allow: list[str] | None = None  # verbs; absent: all of them, []: none
    audit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000  # commands remembered
