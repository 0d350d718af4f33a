"""What the agent writes of itself: one line an event, for people or as JSON.

The standard library's logging is enough for a formatter of a dozen lines, and paho, aiohttp
and numba write to it anyway.
"""

import json
import logging
import sys
import time
from collections.abc import Sequence

import msgspec

from edge_anomaly.values import Message, Publish

__all__ = ["EventLog", "JsonLines", "begin_logging"]

log = logging.getLogger("edge_anomaly")


class JsonLines(logging.Formatter):
    """A record as one JSON object; what a caller gave as `extra={"fields": ...}` beside it."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without a line break in it."""
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "ts": f"{whole}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def begin_logging(style: str, *, verbose: bool) -> None:
    """Write to standard error from now on.

    Args:
        style: console, or json.
        verbose: Say more.
    """
    stream = logging.StreamHandler(sys.stderr)
    console = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    stream.setFormatter(JsonLines() if style == "json" else console)
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[stream], force=True
    )


class _Told(msgspec.Struct):
    """What a log keeps of an event."""

    type: str
    event_id: str
    seq: int
    device: str
    detector: str
    severity: str
    state: str
    message: str


class EventLog:
    """A `Bystander` that writes each alarm transition, and each command's outcome, as a line."""

    def __init__(self, base: str) -> None:
        """Listen to what is said below `base`."""
        self._event = f"{base}/event"
        self._reply = f"{base}/reply/"

    def asked(self) -> list[Message]:
        """Nothing is ever asked."""
        return []

    def heard(self, said: Sequence[Publish], _now_ns: int) -> list[Publish]:
        """Write; nothing is added."""
        for item in said:
            if item.topic == self._event:
                event = msgspec.json.decode(item.payload, type=_Told)
                log.info(
                    "alarm %s %s: %s",
                    event.type, event.severity, event.message,
                    extra={"fields": {"event": msgspec.to_builtins(event)}},
                )  # fmt: skip
            elif item.topic.startswith(self._reply):
                reply = msgspec.json.decode(item.payload)
                kept = {key: reply.get(key) for key in ("verb", "id", "status", "code")}
                log.info("command %s: %s", kept["verb"], kept["status"], extra={"fields": kept})
        return []
