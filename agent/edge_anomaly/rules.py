"""How scores become alarms, and what operators may do about them: part of plant.yaml."""

from typing import Annotated

import msgspec

__all__ = ["Alarms", "Clear", "Commands", "Raise"]

Level = Annotated[float, msgspec.Meta(gt=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Raise(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an alarm begins."""

    above: Level = 1.0  # score / threshold
    windows: Positive = 3  # in a row


class Clear(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When an alarm ends."""

    below: Level = 0.8  # score / threshold
    windows: Positive = 5  # in a row


class Alarms(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"raise_": "raise"},
):
    """How scores become alarms."""

    raise_: Raise = Raise()
    clear: Clear = Clear()
    severities: dict[str, Level] = msgspec.field(  # from this score / threshold on
        default_factory=lambda: {"warning": 1.0, "critical": 2.0}
    )

    def __post_init__(self) -> None:
        if self.clear.below > self.raise_.above:
            raise ValueError(
                f"clear.below {self.clear.below} must not exceed raise.above {self.raise_.above}"
            )
        if not self.severities or min(self.severities.values()) > self.raise_.above:
            raise ValueError("severities: one must begin at raise.above or below it")


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be asked of the agent over MQTT."""

    allow: list[str] | None = None  # verbs; absent: all of them, []: none
    audit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000  # commands remembered
