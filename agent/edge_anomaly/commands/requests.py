"""What may be asked, verb by verb. A verb is added by a struct and a line of `VERBS`."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from edge_anomaly.files.duration import Duration, lasting

__all__ = [
    "VERBS",
    "Ack",
    "Label",
    "Maintenance",
    "OutOfService",
    "Reload",
    "Request",
    "Resend",
    "Rollback",
    "Shelve",
    "Swap",
    "Target",
    "Threshold",
    "Unshelve",
]

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every command may say."""

    id: Text | None = None  # comes back in the reply
    by: Text | None = None  # who asks
    reason: Text | None = None


class Target(Request, frozen=True, kw_only=True):
    """A command about one event, one device or a group of devices."""

    event_id: Text | None = None
    device: Text | None = None
    group: Text | None = None  # of `alarms.groups` in the config
    detector: Text | None = None  # only its alarms; absent: those of every detector

    def __post_init__(self) -> None:
        named = [self.event_id, self.device, self.group]
        if sum(name is not None for name in named) != 1:
            raise ValueError("expected one of event_id, device and group")


class Ack(Target, frozen=True, kw_only=True):
    """Somebody has seen it."""


class Shelve(Target, frozen=True, kw_only=True, rename={"for_": "for"}):
    """Put aside for a while."""

    for_: Duration


class Unshelve(Target, frozen=True, kw_only=True):
    """Bring back now."""


class Maintenance(Target, frozen=True, kw_only=True, rename={"for_": "for"}):
    """Mark alarms as suppressed; what is scored meanwhile is still told."""

    start: Moment | None = None  # absent: now
    for_: Duration | None = None
    over: bool = False  # end what was asked for before

    def __post_init__(self) -> None:
        Target.__post_init__(self)
        if self.event_id is not None:
            raise ValueError("maintenance is of a device or a group")
        if (self.for_ is None) != self.over:
            raise ValueError("expected either `for` or `over: true`")


class Threshold(Request, frozen=True, kw_only=True):
    """Scale a device's alarm level."""

    device: Text
    detector: Text | None = None  # absent: the model
    scale: Annotated[float, msgspec.Meta(gt=0)]  # of the bundle's threshold; 1 is as trained


class Label(Request, frozen=True, kw_only=True):
    """What an event, or a stretch of time, turned out to be."""

    verdict: Literal["true", "false"]
    event_id: Text | None = None
    device: Text | None = None
    start: Moment | None = None
    end: Moment | None = None

    def __post_init__(self) -> None:
        stretch = [self.device, self.start, self.end]
        if self.event_id is not None:
            if any(part is not None for part in stretch):
                raise ValueError("expected either event_id, or device, start and end")
        elif any(part is None for part in stretch):
            raise ValueError("expected event_id, or device, start and end")
        elif self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")


class OutOfService(Target, frozen=True, kw_only=True):
    """Judge no more, or again."""

    out: bool = True

    def __post_init__(self) -> None:
        Target.__post_init__(self)
        if self.event_id is not None:
            raise ValueError("out of service is a device or a group")


class Reload(Request, frozen=True, kw_only=True):
    """Read the config again."""


class Swap(Request, frozen=True, kw_only=True):
    """Let another bundle take over."""

    bundle: Text  # folder, relative to the config
    model: Text | None = None  # by name; absent: the only one
    shadow: Duration = lasting("10min")  # how long both score before that


class Rollback(Request, frozen=True, kw_only=True):
    """Take the last swap back, or end the one under way."""

    model: Text | None = None


class Resend(Request, frozen=True, kw_only=True):
    """Tell all retained topics again."""


VERBS: dict[str, type[Request]] = {
    "ack": Ack,
    "shelve": Shelve,
    "unshelve": Unshelve,
    "maintenance": Maintenance,
    "threshold": Threshold,
    "label": Label,
    "out-of-service": OutOfService,
    "reload": Reload,
    "swap": Swap,
    "rollback": Rollback,
    "resend": Resend,
}
