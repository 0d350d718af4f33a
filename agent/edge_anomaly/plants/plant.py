"""What every simulated plant offers, whatever it makes: a name, machines, faults, messages.

`simulate` and `demo` know plants by this alone; the table of them is `PLANTS`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.values import Publish

__all__ = ["READINGS", "Plant", "Simulation", "Trouble", "each_signal"]

READINGS = "plant"  # what the topics of readings begin with

Encode = Callable[[str, float, NDArray[np.float32]], list[Publish]]


class Trouble(Protocol):
    """One thing that is broken for a while."""

    @property
    def device(self) -> str:
        """Where."""
        ...

    @property
    def kind(self) -> str:
        """What, in two or three words."""
        ...

    @property
    def start(self) -> int:
        """First slot of it."""
        ...

    @property
    def end(self) -> int:
        """First slot after it; the repair is sudden."""
        ...

    @property
    def signals(self) -> tuple[str, ...]:
        """Where its cause shows."""
        ...

    @property
    def sentence(self) -> str:
        """For people."""
        ...


class Simulation(Protocol):
    """One run of a plant; the same seed and faults give the same readings."""

    def step(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` slots: their numbers, (n,), and readings, (n, devices, ...).

        What follows the devices is (signals,), or (signals, samples) where a slot brings
        a block of samples.
        """
        ...


@dataclass(frozen=True)
class Plant:
    """A plant that `simulate` publishes and `demo` watches.

    A bundle of the same name ships beside it, trained on other seeds.
    """

    name: str  # as typed on the command line
    devices: tuple[str, ...]
    signals: Mapping[str, str]  # name: unit
    period_s: float  # plant time of a slot
    speed: float  # plant time over real time, unless told otherwise
    start_s: float  # slot 0, seconds since the epoch; long past, so that nothing is ahead of now
    horizon: int  # slots for which an endless run has faults
    new: Callable[[int, Iterable[Any]], Simulation]  # from a seed and what breaks
    faults: Callable[[int, int], Iterator[Trouble]]  # by seed, all before a slot
    encode: Encode  # a device's readings of a slot as messages
    input: Mapping[str, object]  # how the agent reads those: an entry of `inputs` in plant.yaml
    grace_s: float  # so long after a repair the agent still sees what has been mended
    warming: str  # what an onlooker is told before the first score
    lately: str  # the time that the last windows on the screen cover
    alarms: Mapping[str, object] = field(default_factory=dict)  # of plant.yaml

    def trouble(self, seed: int, until: int | None) -> Sequence[Trouble]:
        """What breaks in a run of `until` slots; without an end, within the horizon."""
        return tuple(self.faults(seed, until or self.horizon))


def each_signal(signals: Iterable[str]) -> Encode:
    """Readings as one message a signal: plant/<device>/<signal> {"t": seconds, "v": value}."""
    names = tuple(signals)

    def encode(device: str, t_s: float, values: NDArray[np.float32]) -> list[Publish]:
        return [
            Publish(f"{READINGS}/{device}/{name}", b'{"t":%d,"v":%.6g}' % (t_s, value))
            for name, value in zip(names, values.tolist(), strict=True)
        ]

    return encode
