"""Which devices are there: unknown until the first reading, offline after silence."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from edge_anomaly.errors import StateError

__all__ = ["OFFLINE", "ONLINE", "UNKNOWN", "Availability", "Presence"]

UNKNOWN, ONLINE, OFFLINE = "unknown", "online", "offline"


class Presence(NamedTuple):
    """How a device stands."""

    state: str
    seen_ns: int | None  # when the agent last heard of it


class Availability:
    """Tells changes; a device is heard where its newest reading is another than before."""

    def __init__(self, devices: Iterable[str], silence_ns: int) -> None:
        """Know of nobody.

        Args:
            devices: That are watched.
            silence_ns: After which a device counts as offline.
        """
        self._silence_ns = silence_ns
        self._now = dict.fromkeys(devices, Presence(UNKNOWN, None))
        self._newest: dict[str, int] = {}

    def __iter__(self) -> Any:  # noqa: ANN401 - pairs of name and presence
        return iter(self._now.items())

    @property
    def counts(self) -> dict[str, int]:
        """How many devices are in each state."""
        found = dict.fromkeys((ONLINE, OFFLINE, UNKNOWN), 0)
        for presence in self._now.values():
            found[presence.state] += 1
        return found

    def update(self, newest_ns: Mapping[str, int], now_ns: int) -> list[tuple[str, Presence]]:
        """The devices that have changed.

        Args:
            newest_ns: Time of the newest reading of each device that ever had one.
            now_ns: The gateway's time.
        """
        changed = []
        for name, newest in newest_ns.items():
            before = self._now[name]
            if self._newest.get(name) != newest:
                self._newest[name] = newest
                after = Presence(ONLINE, now_ns)
            elif before.state == ONLINE and now_ns - (before.seen_ns or 0) >= self._silence_ns:
                after = Presence(OFFLINE, before.seen_ns)
            else:
                continue
            self._now[name] = after
            if after.state != before.state:
                changed.append((name, after))
        return changed

    def resume(self, now_ns: int) -> None:
        """Count no silence before: it was the agent that was away."""
        for name, presence in self._now.items():
            if presence.state == ONLINE:
                self._now[name] = Presence(ONLINE, now_ns)

    def shift(self, by_ns: int) -> None:
        """The gateway's clock was set: silence goes on as if it had always been so."""
        for name, (state, seen_ns) in self._now.items():
            if seen_ns is not None:
                self._now[name] = Presence(state, seen_ns + by_ns)

    def unseen(self, now_ns: int, after_ns: int) -> list[str]:
        """Devices that were heard once, but not for `after_ns`."""
        return [
            name
            for name, presence in self._now.items()
            if presence.seen_ns is not None and now_ns - presence.seen_ns >= after_ns
        ]

    def forget(self, name: str) -> None:
        """Never have heard of a device."""
        self._now[name] = Presence(UNKNOWN, None)
        self._newest.pop(name, None)

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "now": {name: list(presence) for name, presence in self._now.items()},
            "newest": dict(self._newest),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off; devices that are gone are dropped.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            now = msgspec.convert(state["now"], dict[str, Presence])
            newest = msgspec.convert(state["newest"], dict[str, int])
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"availability: {exc}") from exc
        self._now.update({name: kept for name, kept in now.items() if name in self._now})
        self._newest = {name: at for name, at in newest.items() if name in self._now}
