"""What the wall clock says of a slot: for graphs that take it and for what goes by the hour."""

import numpy as np

from edge_anomaly.scoring.batch import Floats, Rows

__all__ = ["HOURS", "clock", "hour_of_week"]

MINUTE = 60 * 10**9
HOUR = 60 * MINUTE
DAY, WEEK = 24 * HOUR, 7 * 24 * HOUR
MONDAY = 3 * DAY  # the epoch began on a Thursday: this much later its week's Monday is 0
HOURS = 168  # of a week


def clock(end_ns: Rows, window: int, period_ns: int, offset_minutes: int) -> Floats:
    """Hour of the day and of the week as points on two circles.

    Args:
        end_ns: End of each window's newest slot, (B,).
        window: W, slots.
        period_ns: Length of a slot.
        offset_minutes: Local time minus UTC.

    Returns:
        (B, W, 4): sine and cosine of the time of day, then of the week from Monday 00:00 on,
        of each slot's end.
    """
    back = np.arange(window - 1, -1, -1, dtype=np.int64) * period_ns
    local = end_ns[:, np.newaxis] - back + offset_minutes * MINUTE + MONDAY  # (B, W)
    turns = np.stack([(local % DAY) / DAY, (local % WEEK) / WEEK], axis=-1) * (2 * np.pi)
    out = np.empty((*local.shape, 4), np.float32)
    out[..., 0::2], out[..., 1::2] = np.sin(turns), np.cos(turns)
    return out


def hour_of_week(end_ns: Rows, offset_minutes: int) -> Rows:
    """The hour in which a slot ends, 0..167 from Monday 00:00 local time on, (B,).

    A slot that ends on the hour belongs to the hour before, in which it lies.
    """
    local = end_ns - 1 + offset_minutes * MINUTE + MONDAY
    hours: Rows = local % WEEK // HOUR
    return hours
