"""What the faults of all plants have in common: who has them, and how far they have grown."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Growing", "Located", "during", "extent", "grown", "of_devices"]

Slots = NDArray[np.int64]
Floats = NDArray[np.float64]


class Located(Protocol):
    """A fault of a machine."""

    @property
    def device(self) -> str:
        """Which."""
        ...


class Growing(Located, Protocol):
    """A fault that grows to its full size."""

    @property
    def kind(self) -> StrEnum:
        """What."""
        ...

    @property
    def start(self) -> int:
        """First slot of it."""
        ...

    @property
    def end(self) -> int:
        """First slot after it."""
        ...

    @property
    def size(self) -> float:
        """In the kind's measure."""
        ...

    def extent(self, slot: Slots) -> Floats:
        """How much of it is there at each slot, 0..1, shape as `slot`."""
        ...


Anyone = TypeVar("Anyone", bound=Located)
Grower = TypeVar("Grower", bound=Growing)


def of_devices(
    faults: Iterable[Anyone], devices: Sequence[str], machine: str
) -> tuple[Anyone, ...]:
    """`faults`, all of them of machines that there are.

    Raises:
        ValueError: One names another `machine`.
    """
    found = tuple(faults)
    if unknown := {fault.device for fault in found} - set(devices):
        raise ValueError(f"no such {machine}: {', '.join(sorted(unknown))}")
    return found


def during(faults: Iterable[Grower], slot: Slots, kind: StrEnum) -> Iterator[Grower]:
    """Those of a kind that fall into a run of slots."""
    return (f for f in faults if f.kind is kind and f.start <= slot[-1] and f.end > slot[0])


def extent(
    faults: Iterable[Growing],
    kind: StrEnum,
    slot: Slots,
    devices: Sequence[str],
    minus: float = 0.0,
) -> Floats:
    """Size, less `minus`, of the faults of a kind at each slot and device, (n, D)."""
    total = np.zeros((slot.size, len(devices)))
    for fault in during(faults, slot, kind):
        total[:, devices.index(fault.device)] += (fault.size - minus) * fault.extent(slot)
    return total


def grown(slot: Slots, start: int, end: int, share: float) -> Floats:
    """How much of a fault is there at each slot, 0..1: it grows for the first `share` of its time.

    The repair, at `end`, is sudden.
    """
    ramp = max(1.0, share * (end - start))
    active = (slot >= start) & (slot < end)
    return np.where(active, np.clip((slot - start + 1) / ramp, 0.0, 1.0), 0.0)
