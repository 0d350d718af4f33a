"""What the core and its driver need of the world, as protocols that adapters fulfil."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.values import Message, Publish

__all__ = ["Link", "Model"]


class Model(Protocol):
    """A loaded graph."""

    @property
    def provider(self) -> str:
        """Where it really runs, such as CPUExecutionProvider."""
        ...

    def run(
        self, window: NDArray[np.float32], device: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Observed and expected values in scaled units.

        Args:
            window: In engineering units, shape (B, W, C).
            device: Row of the bundle's devices for each window, shape (B,); a graph
                without heads does not look at it.

        Returns:
            Both (B, S, C) for the span S that the score recipe needs.
        """
        ...


class Link(Protocol):
    """A connection to the broker that mends itself."""

    @property
    def connections(self) -> int:
        """How many have been made so far."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the broker can reach us now."""
        ...

    def poll(self, timeout_s: float) -> list[Message]:
        """Messages that have arrived; waits for the first up to `timeout_s`."""
        ...

    def acknowledge(self) -> None:
        """Tell the broker that what the last `poll` gave need not be kept."""
        ...

    def publish(self, items: Iterable[Publish]) -> None:
        """Send, at least once where the QoS is 1."""
        ...

    def close(self, last_words: Iterable[Publish]) -> None:
        """Send the last words and disconnect."""
        ...
