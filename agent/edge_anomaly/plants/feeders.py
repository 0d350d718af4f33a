"""The feeders of the simulated works: what each carries at which time of the week."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DAY", "FEEDERS", "FEEDER_NAMES", "WEEK", "Feeder", "usual_load"]

DAY = 96  # slots of 15 minutes
WEEK = 7 * DAY
SATURDAY = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feeder:
    """One feeder's week, in kW and hours of the day."""

    name: str
    idle: float  # when nobody works
    working: float  # when everybody does
    begins: float
    ends: float  # beyond 24: in the night
    saturday: float  # share of the working load
    pause: float  # share that stops for lunch
    cycle: float  # slots from charge to charge; 0: none
    swing: float  # of the cycle, kW, up and down
    moody: float  # deviation of a day's load, share
    noise: float  # deviation of a slot's load, kW


FEEDERS = (
    Feeder("presses", 60, 420, 6, 22, 0.35, 0.30, 0, 0, 0.03, 11),
    Feeder("furnace", 110, 380, 5, 26, 1.00, 0.00, 10, 70, 0.02, 9),
    Feeder("offices", 25, 160, 7, 18, 0.10, 0.12, 0, 0, 0.05, 4),
    Feeder("cold-store", 90, 140, 8, 20, 0.80, 0.00, 16, 12, 0.03, 5),
)
FEEDER_NAMES: tuple[str, ...] = tuple(feeder.name for feeder in FEEDERS)


def usual_load(feeder: Feeder, slot: Floats) -> Floats:
    """What a feeder carries on an average week, kW.

    Args:
        feeder: Which.
        slot: Slots since a Monday's midnight, fractions allowed, any shape.
    """
    # A shift that ends at two in the morning is still that of the day before.
    work = np.maximum(_at_work(feeder, slot, 0), _at_work(feeder, slot, -1))
    load = feeder.idle + (feeder.working - feeder.idle) * work
    if feeder.cycle:
        load = load + feeder.swing * work * np.sin(2 * np.pi * slot / feeder.cycle)
    return load


def _at_work(feeder: Feeder, slot: Floats, days: int) -> Floats:
    """Share of the crew that the day `days` from now has at work, 0..1."""
    day = np.floor(slot / DAY) + days
    hour = (slot - day * DAY) * 24 / DAY
    weekday = day % 7
    crew = np.where(weekday < SATURDAY, 1.0, np.where(weekday == SATURDAY, feeder.saturday, 0.0))
    # People and machines come and go within three quarters of an hour.
    there = np.clip((hour - feeder.begins) / 0.75, 0, 1) * np.clip(
        (feeder.ends - hour) / 0.75, 0, 1
    )
    lunch = np.clip(1 - np.abs(hour - 12.25) / 0.5, 0, 1)
    share: Floats = crew * there * (1 - feeder.pause * lunch)
    return share
