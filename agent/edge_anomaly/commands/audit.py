"""Who asked for what, and what became of it."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import msgspec

from edge_anomaly.commands.reading import Command, CommandError
from edge_anomaly.commands.requests import Request
from edge_anomaly.errors import StateError
from edge_anomaly.values import iso

__all__ = ["Audit", "Entry"]

EXCERPT = 400  # characters of a request that the audit log keeps


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    ts: str
    verb: str
    id: str | None
    by: str | None
    request: str  # the head of it, as it came
    status: str
    code: str | None


class Audit:
    """Every command that came, the newest last; the oldest are forgotten."""

    def __init__(self, room: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=room)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[Entry]:
        """Oldest first."""
        return list(self._entries)

    def add(self, command: Command, now_ns: int, error: CommandError | None = None) -> Entry:
        """Remember `command` and what became of it."""
        by = command.request.by if isinstance(command.request, Request) else None
        entry = Entry(
            ts=iso(now_ns),
            verb=command.verb,
            id=command.id,
            by=by,
            request=command.message.payload[:EXCERPT].decode("utf-8", "backslashreplace"),
            status="ok" if error is None else "error",
            code=None if error is None else error.code,
        )
        self._entries.append(entry)
        return entry

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"entries": [msgspec.to_builtins(entry) for entry in self._entries]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            entries = msgspec.convert(state["entries"], list[Entry])
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"audit log: {exc}") from exc
        self._entries = deque(entries, maxlen=self._entries.maxlen)
