"""The values that enter and leave the core. Times are Unix time in ns (`_ns`)."""

from typing import NamedTuple

import msgspec
import numpy as np

__all__ = [
    "ERROR_SCHEMA",
    "EVENT_SCHEMA",
    "INFO_SCHEMA",
    "SCORE_SCHEMA",
    "STATE_SCHEMA",
    "Contributor",
    "Event",
    "InputError",
    "Message",
    "ModelRef",
    "Publish",
    "Score",
    "State",
    "Trend",
    "Where",
    "WindowSpan",
    "iso",
]

EVENT_SCHEMA = "edge-agent.event/1"
STATE_SCHEMA = "edge-agent.state/1"
SCORE_SCHEMA = "edge-agent.score/1"
ERROR_SCHEMA = "edge-agent.error/1"
INFO_SCHEMA = "edge-agent.info/1"


class Message(NamedTuple):
    """What the broker delivered."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    response_topic: str | None = None  # MQTT 5: where the sender waits for an answer
    correlation: bytes = b""  # MQTT 5: what the answer is to carry
    duplicate: bool = False  # delivered again
    packet_id: int = 0  # at QoS 1, unique among what is not acknowledged


class Publish(NamedTuple):
    """The core's wish that `payload` be sent."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    correlation: bytes = b""  # MQTT 5: of the request that this answers


class Contributor(msgspec.Struct, frozen=True, kw_only=True):
    """One signal's part in an alarm."""

    signal: str
    share: float  # of the whole deviation, 0..1
    value: float  # in the signal's unit
    expected: float


class WindowSpan(msgspec.Struct, frozen=True, kw_only=True):
    """The stretch of time that was looked at."""

    start: str
    end: str
    coverage: float  # share of readings that were there, 0..1


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the window that is to blame."""

    start: str
    end: str


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Where the score is going."""

    per_hour: float  # growth of the score: 0.1 is 10 % an hour
    to_threshold_s: float | None = None  # None: it is not on its way, or beyond it
    earliest_s: float | None = None  # of the interval of `to_threshold_s`
    latest_s: float | None = None  # None: perhaps never


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which model said so."""

    name: str
    version: str
    sha256: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm transition. `event_id` and `seq` together recognise a repeated delivery."""

    schema: str = EVENT_SCHEMA
    type: str  # new | update | end
    event_id: str
    seq: int  # 1, 2, 3 ... within the event
    agent: str
    device: str
    detector: str
    severity: str
    # ACTIVE_UNACK | ACTIVE_ACK | CLEARED_UNACK | CLEARED_ACK | SHELVED | SUPPRESSED | ...
    state: str
    change: str = "raised"  # or worse, better, ack ...: what happened
    active: bool = True  # the condition, whatever `state` covers
    acknowledged: bool = False
    group: str | None = None  # line or area
    suppressed: str | None = None  # the name of the planned work
    shelved_until: str | None = None
    chattering: bool = False
    first_out: str | None = None  # of a flood: the event that came first
    ts: str  # of this transition
    ts_ms: int
    start_ts: str
    end_ts: str | None
    detect_ts: str
    publish_ts: str
    score: float
    threshold: float
    peak_score: float
    contributors: list[Contributor]
    window: WindowSpan
    where: Where | None = None
    trend: Trend | None = None
    quality: str  # good | uncertain
    replayed: bool
    model: ModelRef
    message: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device stands now, for whoever joins late."""

    schema: str = STATE_SCHEMA
    device: str
    detector: str | None = None  # whose alarm it is; the most urgent one where there are several
    group: str | None = None
    state: str  # NORMAL or an event's state
    severity: str | None = None
    event_id: str | None = None
    since: str | None = None
    message: str | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One window's score; null where it was not scored."""

    schema: str = SCORE_SCHEMA
    device: str
    ts: str  # end of the window
    ts_ms: int
    score: float | None
    threshold: float
    warm: bool
    coverage: float
    window: WindowSpan


class InputError(msgspec.Struct, frozen=True, kw_only=True):
    """Input that could not be used, since this was last said."""

    schema: str = ERROR_SCHEMA
    ts: str
    code: str
    count: int
    total: int
    topic: str
    device: str | None
    detail: str
    sample: str  # the head of the payload


def iso(t_ns: int) -> str:
    """A time as ISO 8601 in UTC to the millisecond: 2026-11-22T03:04:05.678Z."""
    return f"{np.datetime64(t_ns // 1_000_000, 'ms')}Z"
