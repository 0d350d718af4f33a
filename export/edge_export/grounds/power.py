"""A year of one load at 15 minutes, and which of its slots the accuracy figures leave out.

Days on which nobody worked, and the day after each, are left out: nobody can say whether they
are wrong. They stay in the data that trains and calibrates, and alarms on them count neither way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Recording, signals_of

__all__ = [
    "DAY",
    "ODD",
    "PERIOD_NS",
    "SATURDAY",
    "TEST",
    "TRAIN_DAYS",
    "PowerGround",
    "power_ground",
]

PERIOD_NS = 900 * 10**9
DAY = 96  # slots
DAYS = 365
TRAIN_DAYS = 168  # days before it teach; from there to TEST they calibrate
TEST = range(203, 365)  # days that are judged
IDLE = 0.4  # of a weekday's usual total, above the least: below it nobody worked
SATURDAY = 5
ODD = {"power_demand": (33883, 34697)}  # slots of the week that the discord collection labels

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PowerGround:
    """A year, and what the figures must know of it."""

    recording: Recording  # one signal, a row a slot from 1 January on, no labels
    ignored: Flags  # (n,) slots that no figure counts
    width: float  # 95th less 5th percentile of the training days, the signal's unit

    @property
    def values(self) -> Floats:
        """The load, a copy, shape (n,)."""
        return self.recording.values[:, 0].astype(np.float64)

    @property
    def weekday(self) -> NDArray[np.int64]:
        """Of each day, shape (365,), Monday 0."""
        days = self.recording.t_ns[::DAY] // (DAY * PERIOD_NS)
        weekday: NDArray[np.int64] = (days + 3) % 7  # 1 January 1970 was a Thursday
        return weekday


def power_ground(year: Sequence[Recording]) -> PowerGround:
    """The ground of a year that is in one recording or in consecutive ones of one device.

    Raises:
        RecordingError: They are not one signal of one device, a value every 15 minutes for 365
            days from midnight on.
    """
    signals, name = signals_of(year), year[0].device
    t_ns = np.concatenate([part.t_ns for part in year])
    values = np.concatenate([part.values for part in year])
    whole = (
        len(signals) == 1
        and {part.device for part in year} == {name}
        and t_ns.size == DAYS * DAY
        and t_ns[0] % (DAY * PERIOD_NS) == 0
        and bool((np.diff(t_ns) == PERIOD_NS).all())
        and bool(np.isfinite(values).all())
    )
    if not whole:
        raise RecordingError(f"{name}: not one signal every 15 minutes for 365 whole days")
    load = values[: TRAIN_DAYS * DAY, 0].astype(np.float64)
    low, high = np.percentile(load, [5, 95])
    recording = Recording(name, t_ns, signals, values)
    ground = PowerGround(recording, np.zeros(t_ns.size, np.bool_), float(high - low))
    return PowerGround(recording, _after_days_off(ground), ground.width)


def _after_days_off(ground: PowerGround) -> Flags:
    """Weekdays on which next to nothing ran, the day after each, and known odd weeks."""
    total = ground.values.reshape(DAYS, DAY).sum(axis=1)
    worked = ground.weekday < SATURDAY
    least = np.percentile(total[:TRAIN_DAYS], 1)
    usual = np.median(total[:TRAIN_DAYS][worked[:TRAIN_DAYS]])
    ignored = np.zeros(DAYS * DAY, np.bool_)
    for day in np.flatnonzero(worked & (total - least < IDLE * (usual - least))):
        ignored[day * DAY : (day + 2) * DAY] = True
    ignored[slice(*ODD.get(ground.recording.device, (0, 0)))] = True
    return ignored
