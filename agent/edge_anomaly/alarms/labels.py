"""What operators say alarms turned out to be: `edge-export calibrate --labels` reads it.

One JSON object a line: device, start and end (ISO 8601, UTC), verdict (`true`: it was one,
`false`: it was none); event_id, by and ts say where it comes from and are not needed.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from edge_anomaly.errors import StateError

__all__ = ["Labelled", "Labels"]

REMEMBERED = 10_000


class Labelled(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a device's time, and the verdict on it."""

    device: str
    start: str
    end: str
    verdict: Literal["true", "false"]
    event_id: str | None = None
    by: str | None = None
    ts: str | None = None


class Labels:
    """All of them, the newest last; one event has one verdict, the latest."""

    def __init__(self) -> None:
        self._labels: deque[Labelled] = deque(maxlen=REMEMBERED)
        self._fresh: list[Labelled] = []

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[Labelled]:
        return iter(self._labels)

    def add(self, label: Labelled) -> None:
        """Remember a verdict in place of an earlier one on the same stretch."""
        key = (label.device, label.start, label.event_id)
        kept = [one for one in self._labels if (one.device, one.start, one.event_id) != key]
        self._labels = deque([*kept, label], maxlen=REMEMBERED)
        self._fresh.append(label)

    def fresh(self) -> list[Labelled]:
        """Those that were added since the last call: for a file that grows."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def snapshot(self) -> list[dict[str, Any]]:
        """What `restore` takes."""
        return [msgspec.to_builtins(label) for label in self._labels]

    def restore(self, state: Any) -> None:  # noqa: ANN401 - as it was read
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            labels = msgspec.convert(state, list[Labelled])
        except msgspec.ValidationError as exc:
            raise StateError(f"labels: {exc}") from exc
        self._labels = deque(labels, maxlen=REMEMBERED)
