"""What a requester is told."""

from collections.abc import Mapping
from typing import Any

import msgspec

from edge_anomaly.commands.reading import Command, CommandError
from edge_anomaly.commands.requests import VERBS
from edge_anomaly.values import Publish, iso

__all__ = ["REPLY_SCHEMA", "Reply", "answer"]

REPLY_SCHEMA = "edge-agent.reply/1"


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


def _may_answer(base: str, topic: str) -> bool:
    """Whether a requester may have us publish there: never as if it were the agent's word."""
    if not topic or any(mark in topic for mark in "+#\0") or topic.startswith("$"):
        return False
    return not topic.startswith(f"{base}/") or topic.startswith(f"{base}/reply/")
