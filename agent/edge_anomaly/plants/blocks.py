"""Readings that are drawn a block at a time and handed out in chunks of any size."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["Blocks", "wandering"]

Floats = NDArray[np.float64]


class Blocks:
    """The slots of a plant, one after the other: chunks of any size give the same numbers."""

    def __init__(
        self, draw: Callable[[int], NDArray[np.float32]], length: int, shape: tuple[int, ...]
    ) -> None:
        """Begin at slot 0.

        Args:
            draw: Readings of the `length` slots from this one on, (length, *shape); asked for
                block by block, each once.
            length: Slots of a block.
            shape: Of a slot's readings: devices, signals.
        """
        self._draw = draw
        self._length = length
        self._next = 0
        self._block = np.empty((0, *shape), np.float32)

    def take(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` slots: their numbers, (n,), and their readings, (n, *shape).

        Raises:
            ValueError: `n` is negative.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, got {n}")
        first, parts, left = self._next, [self._block[:0]], n
        while left:
            at = self._next % self._length
            if at == 0:
                self._block = self._draw(self._next)
            part = self._block[at : at + left]
            parts.append(part)
            self._next += len(part)
            left -= len(part)
        return np.arange(first, first + n), np.concatenate(parts)


def wandering(processes: Mapping[str, tuple[int, float]]) -> tuple[Floats, Floats]:
    """Decay a slot and standard deviation of processes of first order.

    Args:
        processes: Time constant in slots, and standard deviation, by name.
    """
    table = np.array(list(processes.values()), np.float64)
    return np.exp(-1 / table[:, 0]), table[:, 1]
