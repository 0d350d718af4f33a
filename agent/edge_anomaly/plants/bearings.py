"""Two shafts on four bearings each, a snapshot of their vibration a minute.

A damaged bearing is first faint and grows with the square of its age, as spalling does, until
it is changed. What is heard is `edge_anomaly.plants.vibration`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.broken import of_devices
from edge_anomaly.plants.plant import READINGS, Plant
from edge_anomaly.plants.vibration import BEARINGS, RATE, SNAPSHOT, Damage, snapshot
from edge_anomaly.values import Publish

__all__ = ["DEVICES", "PERIOD_S", "PLANT", "SIGNALS", "Bearings", "Failure", "encode", "failures"]

DEVICES = ("shaft-1", "shaft-2")
SIGNALS = {f"bearing_{k + 1}": "g" for k in range(BEARINGS)}
STEP_NS = round(1e9 / RATE)
START_S = 1_704_067_200.0  # 2024-01-01, which lies on the grid of snapshots
SNAPSHOTS = 125  # of a snapshot's length from one to the next: 57.6 s
PERIOD_S = SNAPSHOTS * SNAPSHOT / RATE
WORST = 2.0  # RMS of the strikes when the bearing is changed; healthy noise is about 1
SETTLE = 8  # snapshots before the first failure
SCALE = 1e-3  # g of a count of the converter


@dataclass(frozen=True)
class Failure:
    """A bearing that fails, from the first damage until it is changed."""

    device: str
    bearing: int  # 0 .. BEARINGS - 1
    start: int  # snapshots
    end: int
    kind: str = "bearing damage"

    def __post_init__(self) -> None:
        if not (0 <= self.start < self.end and 0 <= self.bearing < BEARINGS):
            raise ValueError(f"no such failure: {self}")

    @property
    def signals(self) -> tuple[str, ...]:
        """Where it is; the neighbours hear it too."""
        return (list(SIGNALS)[self.bearing],)

    @property
    def sentence(self) -> str:
        """For people."""
        return f"Bearing {self.bearing + 1} of {self.device} begins to fail."

    def damage(self, slot: int) -> Damage | None:
        """How bad it is at a snapshot: 2 u^2 over its time u."""
        if not self.start <= slot < self.end:
            return None
        age = (slot - self.start) / (self.end - self.start)
        return Damage(self.bearing, WORST * age**2)


class Bearings:
    """The shafts, snapshot by snapshot; the same seed and failures give the same samples."""

    def __init__(self, seed: int, faults: Iterable[Failure] = ()) -> None:
        """Begin at snapshot 0.

        Raises:
            ValueError: A failure names a shaft that there is not.
        """
        self.faults: Sequence[Failure] = of_devices(faults, DEVICES, "shaft")
        self._seed = seed
        self._next = 0

    def step(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` snapshots: numbers, (n,), and samples, (n, shafts, bearings, samples).

        Raises:
            ValueError: `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        slots = np.arange(self._next, self._next + n)
        self._next += n
        heard = np.empty((n, len(DEVICES), BEARINGS, SNAPSHOT), np.float32)
        for i, slot in enumerate(slots.tolist()):
            for d, device in enumerate(DEVICES):
                rng = np.random.default_rng([self._seed, slot, d])
                heard[i, d] = snapshot(rng, self._damage(device, slot)).T
        return slots, heard

    def _damage(self, device: str, slot: int) -> Damage | None:
        mine = (fault.damage(slot) for fault in self.faults if fault.device == device)
        return next((damage for damage in mine if damage is not None), None)


def failures(seed: int, until: int, *, every: int = 45) -> Iterator[Failure]:
    """Failures in order of their start, one at a time, each shaft in its turn.

    Args:
        seed: The same seed gives the same failures.
        until: Snapshots; the last failure ends before.
        every: Snapshots from one start to the next, give or take a fifth.
    """
    rng = np.random.default_rng([seed, 0xBE])
    start, first = SETTLE, int(rng.integers(len(DEVICES)))
    for turn in itertools.count(first):
        end = start + int(rng.integers(36, 49))
        if end >= until:
            return
        bearing = int(rng.integers(BEARINGS))
        yield Failure(DEVICES[turn % len(DEVICES)], bearing, start, end)
        start += int(rng.integers(every * 4 // 5, every * 6 // 5 + 1))


def encode(device: str, t_s: float, samples: NDArray[np.float32]) -> list[Publish]:
    """A shaft's snapshot as one message: time of the first sample in ns, then the samples.

    All little-endian: int64, then int16 in thousandths of g, the bearings interleaved.
    """
    start_ns = round(t_s * RATE) * STEP_NS  # seconds as float are not exact to a sample
    counts = np.rint(samples.T / SCALE).clip(-(2**15), 2**15 - 1).astype("<i2")
    payload = np.int64(start_ns).tobytes() + counts.tobytes()
    return [Publish(f"{READINGS}/{device}/vibration", payload)]


PLANT = Plant(
    name="bearings",
    devices=DEVICES,
    signals=SIGNALS,
    period_s=PERIOD_S,
    speed=4 * PERIOD_S,  # four snapshots of every shaft a second
    start_s=START_S,
    horizon=30 * 1500,  # a month
    new=Bearings,
    faults=failures,
    encode=encode,
    input={
        "topic": f"{READINGS}/{{device}}/vibration",
        "format": "array",
        "type": "int16",
        "channels": list(SIGNALS),
        "scale": SCALE,
        "rate": RATE,
        "header": {"bytes": 8, "start": {"at": 0, "type": "int64"}},
        "lateness": "0s",  # all samples of a snapshot come together
        "max_gap": "1ms",
    },
    grace_s=3 * PERIOD_S,  # a snapshot that began before the repair
    warming="Nothing yet: the first snapshots are on their way.",
    lately="the last half hour",
)
