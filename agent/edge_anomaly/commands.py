"""What may be asked of the agent over MQTT: `cmd/<verb>` in, `reply/<verb>` out.

| verb           | asks that                                                          |
|----------------|--------------------------------------------------------------------|
| ack            | somebody has seen the alarm                                        |
| shelve         | the alarms be put aside `for` a while; it always ends by itself    |
| unshelve       | shelved alarms come back now                                       |
| maintenance    | alarms be marked as suppressed from `start` `for` a while, or not  |
| threshold      | a device's alarm level be scaled, within limits                    |
| label          | an event or a stretch of time be known as a true or a false alarm  |
| out-of-service | a device be judged no more, or again                               |
| reload         | the config be read again; windows of unchanged models stay         |
| swap           | another bundle take over from a model, after scoring beside it     |
| rollback       | the bundle before the last swap come back                          |
| resend         | all retained topics be told again                                  |

A payload is a JSON object; nothing of it is needed but what the verb needs. `id` comes back
in the reply, `by` and `reason` stand in the audit log. A request with an MQTT 5 response
topic is answered there as well, with its correlation data. A retained command is a command
of the past and is ignored.

`VERBS` is the table. A verb that the alarms cannot fulfil is handed outwards by the core.
"""

from collections import deque
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from edge_anomaly.errors import StateError
from edge_anomaly.files.duration import Duration, decode, lasting
from edge_anomaly.values import Message, Publish, iso

__all__ = [
    "REPLY_SCHEMA",
    "VERBS",
    "Ack",
    "Audit",
    "Command",
    "CommandError",
    "Entry",
    "Label",
    "Maintenance",
    "OutOfService",
    "Reload",
    "Reply",
    "Request",
    "Resend",
    "Rollback",
    "Shelve",
    "Swap",
    "Target",
    "Threshold",
    "Unshelve",
    "answer",
    "command_filter",
    "read_command",
    "verb_of",
]

REPLY_SCHEMA = "edge-agent.reply/1"
MAX_REQUEST = 16 << 10  # bytes
EXCERPT = 400  # characters of a request that the audit log keeps

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


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a command."""

    schema: str = REPLY_SCHEMA
    verb: str
    id: str | None
    status: str  # ok | error
    ts: str
    code: str | None = None  # of an error
    error: str | None = None  # in words
    data: dict[str, Any] = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log."""

    ts: str
    verb: str
    id: str | None
    by: str | None
    request: str  # the head of it, as it came
    status: str
    code: str | None


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


def answer(
    base: str,
    command: Command,
    now_ns: int,
    *,
    data: Mapping[str, Any] | None = None,
    error: CommandError | None = None,
) -> list[Publish]:
    """The reply on `reply/<verb>`, and on the response topic where the request has one."""
    reply = Reply(
        verb=command.verb,
        id=command.id,
        status="ok" if error is None else "error",
        ts=iso(now_ns),
        code=None if error is None else error.code,
        error=None if error is None else str(error),
        data=dict(data or {}),
    )
    payload = msgspec.json.encode(reply)
    known = command.verb if command.verb in VERBS else "unknown"
    ours = Publish(f"{base}/reply/{known}", payload)
    wanted = command.message.response_topic
    if wanted is None or not _may_answer(base, wanted) or wanted == ours.topic:
        return [ours._replace(correlation=command.message.correlation)]
    return [ours, Publish(wanted, payload, correlation=command.message.correlation)]


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


def _may_answer(base: str, topic: str) -> bool:
    """Whether a requester may have us publish there: never as if it were the agent's word."""
    if not topic or any(mark in topic for mark in "+#\0") or topic.startswith("$"):
        return False
    return not topic.startswith(f"{base}/") or topic.startswith(f"{base}/reply/")


def _list(verbs: Mapping[str, object]) -> str:
    return ", ".join(sorted(verbs))
