"""What goes wrong with the load of a feeder: the eight kinds of the accuracy figures.

Most are normal load at the wrong time, or too steady, or too lively: nothing that a fixed limit
could see.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from edge_anomaly.plants.feeders import DAY, FEEDER_NAMES, FEEDERS

__all__ = ["SIGNAL", "LoadFault", "LoadKind", "load_faults"]

SIGNAL = "power"
EVERY = 110  # slots from one start to the next, give or take a fifth
FIRST = 110  # slot of the first: a day in which all is well
REST = DAY  # slots for which a mended feeder is left alone
SUNDAY = 6


class LoadKind(StrEnum):
    """What can go wrong."""

    PHASE = "shifted day"
    SHIFT = "wrong shift"
    DRIFT = "creeping load"
    SPIKES = "inrush spikes"
    LEVEL = "stray load"
    FLAT = "stuck meter"
    AMPLITUDE = "slack load"
    FREQUENCY = "wrong pace"


@dataclass(frozen=True)
class _Shape:
    """How a kind of fault looks."""

    shortest: int  # slots
    longest: int
    lowest: float  # range of sizes, in the kind's own measure
    highest: float
    sentence: str
    feeders: tuple[str, ...] = FEEDER_NAMES  # where it can be told from normal


_WORKERS = ("presses", "furnace", "offices")  # whose nights differ from their days
_SHAPES = {
    LoadKind.PHASE: _Shape(  # slots late; or early
        DAY, DAY, 8, 16, "The day of {device} begins hours off.", _WORKERS
    ),
    LoadKind.SHIFT: _Shape(  # has no size
        36, 36, 1, 1, "{device} works when it should not, or the reverse.", _WORKERS
    ),
    LoadKind.DRIFT: _Shape(  # share of the working load, at its end
        64, 144, 0.3, 0.6, "The load of {device} creeps up."
    ),
    LoadKind.SPIKES: _Shape(  # share of the working load
        8, 24, 0.5, 1.0, "{device} draws spikes."
    ),
    LoadKind.LEVEL: _Shape(  # share of the working load
        16, 48, 0.25, 0.5, "Something else hangs on {device}."
    ),
    LoadKind.FLAT: _Shape(  # has no size
        24, 48, 1, 1, "The meter of {device} is stuck.", _WORKERS
    ),
    LoadKind.AMPLITUDE: _Shape(  # share of the swing that is left
        48, 96, 0.1, 0.4, "The load of {device} hardly moves.", _WORKERS
    ),
    LoadKind.FREQUENCY: _Shape(  # has no size
        48, 96, 1, 1, "{device} runs at the wrong pace.", _WORKERS
    ),
}


@dataclass(frozen=True)
class LoadFault:
    """One thing that is wrong with a feeder for a while.

    Attributes:
        device: Which feeder.
        kind: What.
        start: First slot of it.
        end: First slot after it.
        size: In the kind's measure; negative for the other way.
        sentence: For people.
        signals: Where it shows.
    """

    device: str
    kind: LoadKind
    start: int
    end: int
    size: float
    sentence: str
    signals: tuple[str, ...] = (SIGNAL,)

    @classmethod
    def of(cls, kind: LoadKind, device: str, span: tuple[int, int], size: float) -> "LoadFault":
        """A fault that lasts `span`, the first slot and the first one after it.

        Raises:
            ValueError: The span is empty or begins before slot 0.
        """
        if not 0 <= span[0] < span[1]:
            raise ValueError(f"a fault must last from slot 0 or later, got {span}")
        return cls(device, kind, *span, size, _SHAPES[kind].sentence.format(device=device))


def load_faults(
    seed: int, until: int, devices: Sequence[str] = FEEDER_NAMES
) -> Iterator[LoadFault]:
    """Faults in order of their start, each kind once before any comes again.

    Args:
        seed: The same seed gives the same faults.
        until: Slots; the last fault ends before.
        devices: Where they may happen.
    """
    rng = np.random.default_rng([seed, 0x10AD])
    kinds: list[LoadKind] = []
    free = dict.fromkeys(devices, 0)
    begins = {feeder.name: feeder.begins for feeder in FEEDERS}
    start = FIRST
    for turn in itertools.count():
        kinds = kinds or [list(LoadKind)[i] for i in rng.permutation(len(LoadKind))]
        kind, shape = kinds[-1], _SHAPES[kinds[-1]]
        fit = [device for device in devices if device in shape.feeders] or list(devices)
        device = fit[int(rng.integers(len(fit))) if turn else 0]
        at = max(start, free[device])
        if kind in {LoadKind.PHASE, LoadKind.SHIFT}:
            at = _day_for(kind, at, rng)
        elif kind in {LoadKind.FLAT, LoadKind.AMPLITUDE, LoadKind.FREQUENCY}:
            at = _morning(at, begins[device])
        if kind is LoadKind.SHIFT:
            at += 8 * DAY // 24
        end = at + int(rng.integers(shape.shortest, shape.longest + 1))
        if end >= until:
            return
        kinds.pop()
        size = float(rng.uniform(shape.lowest, shape.highest)) * (1 if rng.integers(2) else -1)
        yield LoadFault.of(kind, device, (at, end), size)
        free[device] = end + REST
        start = max(start, at) + int(rng.integers(EVERY * 4 // 5, EVERY * 6 // 5 + 1))


def _day_for(kind: LoadKind, slot: int, rng: np.random.Generator) -> int:
    """Midnight of the next day on which the fault is one: a weekday, or at times a Sunday."""
    sunday = kind is LoadKind.SHIFT and rng.random() < 0.5  # noqa: PLR2004 - half the time
    day = -(-slot // DAY)
    while (day % 7 == SUNDAY) != sunday or day % 7 == SUNDAY - 1:
        day += 1
    return day * DAY


def _morning(slot: int, hour: float) -> int:
    """When work next begins on a weekday: what stands still at night shows nothing."""
    day = slot // DAY
    while day * DAY + int(hour * DAY / 24) < slot or day % 7 >= SUNDAY - 1:
        day += 1
    return day * DAY + int(hour * DAY / 24)
