"""What breaks in a simulated server room: where, when, and which signals tell of it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.plants.broken import grown

__all__ = ["ServerFault", "ServerKind", "server_faults"]

FIRST = 80  # slots before the first fault: a window fills, the averages settle
EVERY = (60, 90)  # slots from one start to the next
LASTING = (50, 100)  # slots
REST = 80  # slots for which a server is left alone after a repair
RAMP = 0.3  # share of a fault's time in which it grows to its full size


class ServerKind(StrEnum):
    """What can break."""

    DISK_FAILING = "disk failing"
    FAN_FAILURE = "fan failure"
    FLOOD = "flood of packets"
    LOST_TRAFFIC = "lost traffic"
    MEMORY_LEAK = "memory leak"
    RUNAWAY_PROCESS = "runaway process"


# Lowest and highest size in the kind's own measure, where its cause shows, and a sentence.
_SHAPES: dict[ServerKind, tuple[float, float, tuple[str, ...], str]] = {
    ServerKind.DISK_FAILING: (  # times the time that a request to the disk takes
        3.0,
        6.0,
        ("disk_queue", "latency"),
        "A disk of {device} is failing.",
    ),
    ServerKind.FAN_FAILURE: (  # share of the speed that is lost
        0.4,
        0.8,
        ("fan_speed", "temperature"),
        "A fan of {device} has failed.",
    ),
    ServerKind.FLOOD: (4.0, 9.0, ("net_in",), "{device} is flooded with packets."),  # MB/s
    ServerKind.LOST_TRAFFIC: (  # share of the requests that never come
        0.5,
        0.9,
        ("requests", "connections", "net_out"),
        "The balancer has lost {device}.",
    ),
    ServerKind.MEMORY_LEAK: (15.0, 30.0, ("memory",), "A process on {device} leaks memory."),  # %
    ServerKind.RUNAWAY_PROCESS: (  # %
        25.0,
        40.0,
        ("cpu", "load"),
        "A process on {device} runs away.",
    ),
}


@dataclass(frozen=True)
class ServerFault:
    """One thing that is broken for a while."""

    device: str  # where
    kind: ServerKind
    start: int  # first slot of it
    end: int  # first slot after it; the repair is sudden
    size: float  # in the kind's measure

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a fault must last, from slot 0 or later: {self.start}, {self.end}")

    @property
    def signals(self) -> tuple[str, ...]:
        """Where its cause shows; other signals follow."""
        return _SHAPES[self.kind][2]

    @property
    def sentence(self) -> str:
        """For people."""
        return _SHAPES[self.kind][3].format(device=self.device)

    def extent(self, slot: NDArray[np.int64]) -> NDArray[np.float64]:
        """How much of the fault is there at each slot, 0..1, shape as `slot`."""
        return grown(slot, self.start, self.end, RAMP)


def server_faults(seed: int, devices: tuple[str, ...], until: int) -> Iterator[ServerFault]:
    """Faults in order of their start, all before slot `until`, each kind once before any again.

    A server has one fault at a time. The same seed gives the same faults.
    """
    rng = np.random.default_rng([seed, 0x5E])
    kinds: list[ServerKind] = []
    order = rng.permutation(len(devices))
    free = dict.fromkeys(devices, 0)
    start = FIRST
    for turn in itertools.count():
        kinds = kinds or [list(ServerKind)[i] for i in rng.permutation(len(ServerKind))]
        device = devices[order[turn % len(devices)]]
        start = max(start, free[device])
        end = start + int(rng.integers(*LASTING))
        if end >= until:
            return
        kind = kinds.pop()
        lowest, highest, *_ = _SHAPES[kind]
        yield ServerFault(device, kind, start, end, float(rng.uniform(lowest, highest)))
        free[device] = end + REST
        start += int(rng.integers(*EVERY))
