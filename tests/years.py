"""A made-up year of one load, regular enough to see what is done to it."""

import numpy as np

from edge_export.data.recordings import Recording
from edge_export.grounds.power import DAY, DAYS, PERIOD_NS, PowerGround, power_ground

__all__ = ["HOLIDAY", "MONDAY_NS", "YEAR", "year"]

MONDAY_NS = 1_514_764_800 * 10**9  # 1 January 2018
HOLIDAY = 247  # a Wednesday on which nobody works


def year(seed: int = 0, device: str = "mill") -> Recording:
    """Weekdays from six to six, a lunch break, idle weekends, noise of a fiftieth."""
    slot = np.arange(DAYS * DAY)
    day, quarter = slot // DAY, slot % DAY
    works = ((day % 7) < 5) & (day != HOLIDAY) & (quarter >= 24) & (quarter < 72)
    load = np.where(works, 100 + 15 * np.sin(quarter / 5), 20.0)
    load[works & (quarter >= 48) & (quarter < 52)] = 60
    load += np.random.default_rng(seed).normal(0, 2, slot.size)
    values = load[:, None].astype(np.float32)
    return Recording(device, MONDAY_NS + slot * PERIOD_NS, ("power",), values)


YEAR: PowerGround = power_ground([year()])
