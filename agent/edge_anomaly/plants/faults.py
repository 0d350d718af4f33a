"""Faults of a simulated compressor: what breaks, where, when, and which signals tell of it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.broken import grown

__all__ = ["Fault", "Kind", "random_faults"]

SETTLE = 40  # slots before the first fault: a window fills, a first picture is seen
RAMP = 0.4  # share of a fault's time in which it grows to its full size


class Kind(StrEnum):
    """What can break."""

    FILTER_CLOGGING = "filter clogging"
    PRIMARY_SEAL_LEAK = "primary seal leak"
    SEPARATION_GAS_LOSS = "separation gas loss"
    SENSOR_DRIFT = "sensor drift"
    SENSOR_STUCK = "sensor stuck"
    VALVE_HUNTING = "valve hunting"


@dataclass(frozen=True)
class _Shape:
    """How a kind of fault looks."""

    lowest: float  # range of sizes, in the kind's own measure
    highest: float
    signals: tuple[str, ...]  # its cause shows here; a sensor's fault takes one of them
    sentence: str


_DRIFTING = ("seal_gas_temp", "seal_gas_flow", "primary_vent_flow", "separation_seal_gas_pressure")
# Only a signal that follows the load can show that its sensor no longer does; even so, a flat
# line that looks usual is the hardest of these faults to see (bench/plant_accuracy.py).
_STICKING = ("seal_gas_diff_pressure", "separation_seal_gas_flow")
_SHAPES = {
    Kind.FILTER_CLOGGING: _Shape(  # times the filter's resistance
        1.8, 3.5, ("filter_dp",), "The seal gas filter of {device} clogs."
    ),
    Kind.PRIMARY_SEAL_LEAK: _Shape(  # times the seal's leakage
        1.5,
        2.2,
        ("primary_vent_flow", "primary_vent_pressure"),
        "The primary seal of {device} leaks into the vent.",
    ),
    Kind.SEPARATION_GAS_LOSS: _Shape(  # share of the supply that is lost
        0.25,
        0.6,
        ("separation_seal_gas_pressure", "separation_seal_gas_flow"),
        "{device} loses its separation gas.",
    ),
    Kind.SENSOR_DRIFT: _Shape(  # share of the reading; either way
        0.15, 0.35, _DRIFTING, "The sensor {signal} of {device} drifts."
    ),
    Kind.SENSOR_STUCK: _Shape(  # has no size
        1.0, 1.0, _STICKING, "The sensor {signal} of {device} is stuck."
    ),
    Kind.VALVE_HUNTING: _Shape(  # amplitude, share of the set point
        0.12,
        0.3,
        ("seal_gas_diff_pressure", "seal_gas_flow"),
        "The seal gas control valve of {device} hunts.",
    ),
}
_SENSOR_KINDS = (Kind.SENSOR_DRIFT, Kind.SENSOR_STUCK)


@dataclass(frozen=True)
class Fault:
    """One thing that is broken for a while.

    Attributes:
        device: Where.
        kind: What.
        start: First slot of it.
        end: First slot after it; the repair is sudden.
        signals: Where its cause shows; other signals follow.
        size: In the kind's measure, such as the share of the supply that is lost.
        sentence: For people.
    """

    device: str
    kind: Kind
    start: int
    end: int
    signals: tuple[str, ...]
    size: float
    sentence: str

    @classmethod
    def of(
        cls, kind: Kind, device: str, span: tuple[int, int], *, size: float, signal: str = ""
    ) -> "Fault":
        """A fault of a kind that lasts `span`, the first slot and the first one after it.

        Args:
            kind: What breaks.
            device: Where.
            span: When.
            size: In the kind's measure.
            signal: The broken sensor; ignored by kinds that are not a sensor's.

        Raises:
            ValueError: The span is empty, or a sensor's fault has a signal that cannot break.
        """
        if not 0 <= span[0] < span[1]:
            raise ValueError(f"a fault must last from slot 0 or later, got {span}")
        shape = _SHAPES[kind]
        signals = (signal,) if kind in _SENSOR_KINDS else shape.signals
        if not set(signals) <= set(shape.signals):
            raise ValueError(f"{kind}: signal must be one of {', '.join(shape.signals)}")
        sentence = shape.sentence.format(device=device, signal=signal)
        return cls(device, kind, *span, signals, size, sentence)

    def extent(self, slot: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much of the fault is there at each slot, 0..1, shape as `slot`."""
        return grown(slot, self.start, self.end, RAMP)


def random_faults(
    seed: int,
    devices: Sequence[str],
    *,
    until: int,
    every: int = 75,
    lasting: tuple[int, int] = (60, 110),
    first: int = SETTLE,
) -> Iterator[Fault]:
    """Faults in order of their start, each kind once before any comes again.

    A device has one fault at a time, and after a repair it is left alone for `lasting[0]`
    slots.

    Args:
        seed: The same seed gives the same faults.
        devices: Where they may happen.
        until: Slots; the last fault ends before.
        every: Slots from one start to the next, give or take a fifth.
        lasting: Shortest and longest, slots.
        first: Start of the first fault.
    """
    rng = np.random.default_rng([seed, 0xFA])
    kinds: list[Kind] = []
    order = list(rng.permutation(len(devices)))
    free = dict.fromkeys(devices, 0)
    start = first
    for turn in itertools.count():
        kinds = kinds or [list(Kind)[i] for i in rng.permutation(len(Kind))]
        kind, shape = kinds[-1], _SHAPES[kinds[-1]]
        device = devices[order[turn % len(devices)]]
        start = max(start, free[device])
        end = start + int(rng.integers(lasting[0], lasting[1] + 1))
        if end >= until:
            return
        kinds.pop()
        size = float(rng.uniform(shape.lowest, shape.highest))
        if kind is Kind.SENSOR_DRIFT and rng.integers(2):
            size = -size
        signal = shape.signals[int(rng.integers(len(shape.signals)))]
        yield Fault.of(kind, device, (start, end), size=size, signal=signal)
        free[device] = end + lasting[0]
        start += int(rng.integers(every * 4 // 5, every * 6 // 5 + 1))
