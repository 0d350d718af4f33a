"""Times in payloads: the unit is configured, never sniffed; a wrong one gets a hint."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import Time
from edge_anomaly.formats.numbers import number

__all__ = ["LATEST_NS", "UNIT_NS", "looks_like", "reader", "whole_ns"]

UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_YEAR_NS = 365 * 86_400 * 10**9
LATEST_NS = 2**63 - 1 - _YEAR_NS  # room for arithmetic on times
_PLAUSIBLE_NS = (30 * _YEAR_NS, 130 * _YEAR_NS)  # of this century
_LONGEST = 1e19  # more is no time in any unit
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def whole_ns(stamp: object, unit: str) -> int:
    """A number of `unit` since 1970 as ns.

    Raises:
        PayloadError: It is no number, or no time that can be.
    """
    scale = UNIT_NS[unit]
    if isinstance(stamp, int) and not isinstance(stamp, bool):
        t_ns = stamp * scale
    else:
        # A double of seconds is some 200 ns coarse today. To the microsecond it is what
        # was written, so that 0.3 s does not fall into the slot before 0.3 s.
        value = number(stamp, "time")
        whole = int(value)
        step = min(scale, 1000)
        t_ns = whole * scale + round((value - whole) * (scale // step)) * step
    if not -LATEST_NS < t_ns < LATEST_NS:
        shown = repr(stamp) if len(repr(stamp)) < 40 else "a number of many digits"  # noqa: PLR2004 - a line's worth
        raise PayloadError("bad_time", f"{shown} is no time in {unit}{looks_like(t_ns, unit)}")
    return t_ns


def looks_like(t_ns: int, unit: str) -> str:
    """A hint at the unit in which `t_ns`, read in `unit`, would be of this century; or ""."""
    for other, scale in UNIT_NS.items():
        earliest, latest = _PLAUSIBLE_NS
        if other != unit and earliest < t_ns // UNIT_NS[unit] * scale < latest:
            return f"; it looks like {other}"
    return ""


def reader(time: Time) -> Callable[[object], int]:
    """What reads a stamp of the payload, in ns."""
    if time.unit != "iso":
        return _quick(time.unit)
    zone = None
    if time.offset is not None:
        sign = -1 if time.offset[0] == "-" else 1
        hours, minutes = time.offset[1:].split(":")
        zone = timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
    return lambda stamp: _iso_ns(stamp, zone)


def _quick(unit: str) -> Callable[[object], int]:
    """`whole_ns` in short for what is all right; every reading comes this way."""
    scale = UNIT_NS[unit]
    step = min(scale, 1000)
    parts = scale // step

    def read(stamp: object) -> int:
        if type(stamp) is int:
            t_ns = stamp * scale
        elif type(stamp) is float and -_LONGEST < stamp < _LONGEST:
            whole = int(stamp)
            t_ns = whole * scale + round((stamp - whole) * parts) * step
        else:
            return whole_ns(stamp, unit)
        return t_ns if -LATEST_NS < t_ns < LATEST_NS else whole_ns(stamp, unit)

    return read


def _iso_ns(stamp: object, zone: timezone | None) -> int:
    try:
        when = msgspec.convert(stamp, datetime)
        if when.tzinfo is None and zone is not None:
            when = when.replace(tzinfo=zone)
        if when.tzinfo is None:
            raise PayloadError(
                "bad_time", f"{stamp!r} has no offset; write Z or +hh:mm behind it, or set `offset`"
            )
        t_ns = (when - _EPOCH) // timedelta(microseconds=1) * 1000
    except (msgspec.ValidationError, OverflowError) as exc:
        raise PayloadError("bad_time", f"not an ISO 8601 time: {exc}") from exc
    if not -LATEST_NS < t_ns < LATEST_NS:
        raise PayloadError("bad_time", f"{stamp!r} is no time that can be")
    return t_ns
