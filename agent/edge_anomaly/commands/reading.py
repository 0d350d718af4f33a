"""A message on `cmd/<verb>` as a command, or why it is none."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec

from edge_anomaly.commands.requests import VERBS, Request
from edge_anomaly.files.duration import decode
from edge_anomaly.values import Message

__all__ = ["Command", "CommandError", "command_filter", "read_command", "verb_of"]

MAX_REQUEST = 16 << 10  # bytes


class CommandError(Exception):
    """A command that is not followed; it has changed nothing.

    Attributes:
        code: One word of the reply's vocabulary: malformed, unknown_verb, not_allowed,
            not_found, out_of_bounds ...
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Command(NamedTuple):
    """A command as it came, fit to be answered."""

    verb: str
    message: Message
    request: Request | CommandError  # the latter: why it cannot be followed

    @property
    def id(self) -> str | None:
        """The id to echo; also of a request that is otherwise malformed."""
        if isinstance(self.request, Request):
            return self.request.id
        try:
            found = msgspec.json.decode(self.message.payload, type=_Id).id
        except (msgspec.MsgspecError, RecursionError):
            return None
        return found if isinstance(found, str) else None


class _Id(msgspec.Struct):
    id: Any = None


def command_filter(base: str) -> str:
    """What to subscribe to."""
    return f"{base}/cmd/#"


def verb_of(base: str, topic: str) -> str | None:
    """The verb of a command topic; None where it is none of ours."""
    head = f"{base}/cmd/"
    return topic[len(head) :] if topic.startswith(head) else None


def read_command(
    verb: str,
    message: Message,
    allowed: Collection[str] | None = None,
    verbs: Mapping[str, type[Request]] = VERBS,
) -> Command:
    """A command, or why it is none; never raises.

    Args:
        verb: From the topic.
        message: As it came.
        allowed: The verbs that may be used; None: all.
        verbs: The verbs there are.
    """
    kind = verbs.get(verb)
    if kind is None:
        fault = CommandError("unknown_verb", f"no verb {verb[:64]!r}; there are {_list(verbs)}")
        return Command(verb[:64], message, fault)
    if allowed is not None and verb not in allowed:
        return Command(verb, message, CommandError("not_allowed", f"{verb} is not allowed here"))
    if len(message.payload) > MAX_REQUEST:
        fault = CommandError("malformed", f"{len(message.payload)} bytes; at most {MAX_REQUEST}")
        return Command(verb, message, fault)
    try:
        request = msgspec.json.decode(message.payload, type=kind, dec_hook=decode)
    except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
        return Command(verb, message, CommandError("malformed", str(exc)))
    return Command(verb, message, request)


def _list(verbs: Mapping[str, object]) -> str:
    return ", ".join(sorted(verbs))
