"""Four feeders of a works, one reading of power each in 15 minutes.

Load follows the week: shifts, lunch, an idle Sunday; a furnace is charged in cycles, a cold store
follows the day. Days are a little better or worse than the last, and every slot has its noise.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.blocks import Blocks
from edge_anomaly.plants.broken import of_devices
from edge_anomaly.plants.feeders import DAY, FEEDER_NAMES, FEEDERS, WEEK, Feeder, usual_load
from edge_anomaly.plants.load_faults import SIGNAL, LoadFault, LoadKind, load_faults
from edge_anomaly.plants.plant import READINGS, Plant, each_signal

__all__ = ["FEEDER_SIGNALS", "POWER", "POWER_PERIOD_S", "POWER_START_S", "Works"]

POWER_PERIOD_S = 900.0
POWER_START_S = 1_514_764_800.0  # Monday, 1 January 2018: years of plant time before it is now
FEEDER_SIGNALS = {SIGNAL: "kW"}
BLOCK = DAY  # slots drawn at once, so that chunks of any size give the same numbers
STICKINESS = 0.6  # of a slot's noise: what is left of it in the next

Floats = NDArray[np.float64]
Slots = NDArray[np.int64]


class Works:
    """The works, slot by slot; the same seed and faults give the same readings."""

    def __init__(self, seed: int, faults: Iterable[LoadFault] = ()) -> None:
        """Start on a Monday at midnight, slot 0.

        Args:
            seed: Of days and noise; the feeders are fixed.
            faults: What breaks.

        Raises:
            ValueError: A fault names a feeder that the works does not have.
        """
        self.faults: Sequence[LoadFault] = of_devices(faults, FEEDER_NAMES, "feeder")
        self._seed = seed
        self._blocks = Blocks(self._draw, BLOCK, (len(FEEDERS), 1))
        self._noise = np.zeros(len(FEEDERS))
        self._stuck: dict[LoadFault, float] = {}

    def step(self, n: int) -> tuple[Slots, NDArray[np.float32]]:
        """The next `n` slots.

        Returns:
            Their numbers, shape (n,), and the readings in kW, shape (n, feeders, 1).

        Raises:
            ValueError: `n` is negative.
        """
        return self._blocks.take(n)

    def _draw(self, first: int) -> NDArray[np.float32]:
        rng = np.random.default_rng([self._seed, first // BLOCK])
        mood, kicks = rng.standard_normal(len(FEEDERS)), rng.standard_normal((BLOCK, len(FEEDERS)))
        slot = np.arange(first, first + BLOCK)
        values = np.empty((BLOCK, len(FEEDERS)))
        for column, feeder in enumerate(FEEDERS):
            mine = [fault for fault in self.faults if fault.device == feeder.name]
            noise = self._wander(column, kicks[:, column] * feeder.noise)
            load = usual_load(feeder, slot.astype(np.float64)) * (1 + feeder.moody * mood[column])
            values[:, column] = np.maximum(load + noise, 0)
            for fault in mine:
                here = (slot >= fault.start) & (slot < fault.end)
                if here.any():
                    load = self._broken(fault, feeder, slot[here], values[here, column])
                    values[here, column] = load
        return values.astype(np.float32)[:, :, np.newaxis]

    def _wander(self, column: int, kicks: Floats) -> Floats:
        out = np.empty(kicks.size)
        for i, kick in enumerate(kicks * np.sqrt(1 - STICKINESS**2)):
            self._noise[column] = STICKINESS * self._noise[column] + kick
            out[i] = self._noise[column]
        return out

    def _broken(self, fault: LoadFault, feeder: Feeder, slot: Slots, load: Floats) -> Floats:
        """The load at `slot`, within the fault, as the fault leaves it."""
        if fault.kind is LoadKind.FLAT:
            if fault not in self._stuck:
                before = usual_load(feeder, np.array([fault.start - 1.0]))[0]
                self._stuck[fault] = 0.0 if fault.size < 0 else float(before)
            return np.full(slot.size, self._stuck[fault])
        usual = usual_load(feeder, slot.astype(np.float64))
        broken = _CHANGES[fault.kind](fault, feeder, slot)
        return np.maximum(load - usual + broken, 0)


def _late(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    return usual_load(feeder, slot.astype(np.float64) - round(fault.size))


def _exchanged(_: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    """A Sunday as a Wednesday, any other day as a Sunday."""
    weekday = slot // DAY % 7
    other = np.where(weekday == 6, 2, 6)  # noqa: PLR2004 - Sunday; Wednesday
    return usual_load(feeder, (other * DAY + slot % DAY).astype(np.float64))


def _creeping(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    share = (slot - fault.start + 1) / (fault.end - fault.start)
    return _usual(feeder, slot) + abs(fault.size) * feeder.working * share


def _spiking(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    # Every third slot, first and last among them: what a label says must be there to see.
    hit = ((slot - fault.start) % 3 == 0) | (slot == fault.end - 1)
    return _usual(feeder, slot) + np.where(hit, abs(fault.size) * feeder.working, 0.0)


def _stray(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    return _usual(feeder, slot) + abs(fault.size) * feeder.working


def _slack(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    mean = _usual(feeder, np.arange(fault.start, fault.end)).mean()
    slack: Floats = mean + abs(fault.size) * (_usual(feeder, slot) - mean)
    return slack


def _paced(fault: LoadFault, feeder: Feeder, slot: Slots) -> Floats:
    pace = 0.5 if fault.size < 0 else 2.0
    return usual_load(feeder, fault.start + pace * (slot - fault.start).astype(np.float64))


def _usual(feeder: Feeder, slot: Slots) -> Floats:
    return usual_load(feeder, slot.astype(np.float64))


_CHANGES = {
    LoadKind.AMPLITUDE: _slack,
    LoadKind.DRIFT: _creeping,
    LoadKind.FREQUENCY: _paced,
    LoadKind.LEVEL: _stray,
    LoadKind.PHASE: _late,
    LoadKind.SHIFT: _exchanged,
    LoadKind.SPIKES: _spiking,
}

POWER = Plant(
    name="power",
    devices=FEEDER_NAMES,
    signals=FEEDER_SIGNALS,
    period_s=POWER_PERIOD_S,
    speed=28_800,  # a day in three seconds
    start_s=POWER_START_S,
    horizon=104 * WEEK,
    new=Works,
    faults=load_faults,
    encode=each_signal(FEEDER_SIGNALS),
    input={
        "topic": f"{READINGS}/{{device}}/{{signal}}",
        "value": "v",
        "time": {"path": "t", "unit": "s"},
        "lateness": "0s",
        "max_gap": "1h",
    },
    grace_s=4 * 3600,  # the longest span that a score looks back
    warming="four hours of readings",
    lately="the last 15 hours",
    # Two windows: half an hour. Four quarters in order do not end an alarm, the fifth does.
    alarms={"raise": {"windows": 2}, "clear": {"windows": 5}},
)
