"""What is remembered of an event while it lasts, and by which id it is known."""

import base64
import hashlib

import msgspec

from edge_anomaly.values import Contributor, Trend, Where, WindowSpan

__all__ = ["Opened", "event_id"]


def event_id(*parts: str | int) -> str:
    """An id that depends on nothing but `parts`: 26 characters, lower case."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


class Opened(msgspec.Struct):
    """What is remembered of an event."""

    id: str
    start_ns: int
    detect_ns: int
    window: WindowSpan
    score: float
    threshold: float
    peak: float
    severity: str
    seq: int = 0
    end_ns: int | None = None
    quality: str = "good"
    text: str = ""  # the cause, as last told
    contributors: list[Contributor] = []
    where: Where | None = None
    trend: Trend | None = None
    told_ns: int = 0  # when the alarm last asked for attention
    stale: bool = False
    chattering: bool = False
