"""The values that enter and leave the core. Times are Unix time in ns (`_ns`)."""

from typing import NamedTuple

import msgspec
import numpy as np

__all__ = [
    "AVAILABILITY_SCHEMA",
    "ERROR_SCHEMA",
    "EVENT_SCHEMA",
    "HEALTH_SCHEMA",
    "INFO_SCHEMA",
    "SCORE_SCHEMA",
    "SHADOW_SCHEMA",
    "STATE_SCHEMA",
    "Available",
    "Contributor",
    "Event",
    "Health",
    "InputError",
    "Message",
    "ModelRef",
    "Publish",
    "Rates",
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
SHADOW_SCHEMA = "edge-agent.shadow/1"
ERROR_SCHEMA = "edge-agent.error/1"
HEALTH_SCHEMA = "edge-agent.health/1"
AVAILABILITY_SCHEMA = "edge-agent.availability/1"
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
    expiry_s: int = 0  # MQTT 5: after which the broker forgets it; 0: never. Only at QoS 0.


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
    unscored: str | None = None  # why there is no score: warming_up | coverage | not_finite
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


class Available(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a device is heard."""

    schema: str = AVAILABILITY_SCHEMA
    device: str
    state: str  # unknown | online | offline
    last_seen: str | None = None


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How many alarms the operators get (OPC UA Part 9, AlarmMetricsType)."""

    total: int  # new alarms since the start
    per_10min: int
    most_per_10min: int
    per_day: int
    in_flood_s: float  # time spent in floods since the start
    flooded: bool
    talkers: dict[str, int]  # the loudest devices of the last day


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent is."""

    schema: str = HEALTH_SCHEMA
    ts: str
    uptime_s: float
    connected: bool  # the broker can reach us
    readings: int  # taken so far
    readings_per_s: float
    windows: int  # scored so far
    windows_per_s: float
    rejected: dict[str, int]  # by reason
    lag_s: float | None  # age of the newest window
    skew_s: dict[str, float]  # clocks of devices ahead of ours (or behind: < 0), the worst ten
    inference_s: dict[str, float]  # p50 and p99 of a micro-batch in the graph
    memory_bytes: int  # resident
    cpu_s: float
    outbox: int  # messages that wait for the broker
    store: str  # ok, or why nothing is kept at present
    alarms: dict[str, int]  # by state
    devices: dict[str, int]  # by availability
    forgotten: int  # devices that were not heard for `forget_after`, so far
    rates: Rates


def iso(t_ns: int) -> str:
    """A time as ISO 8601 in UTC to the millisecond: 2026-11-22T03:04:05.678Z."""
    return f"{np.datetime64(t_ns // 1_000_000, 'ms')}Z"
