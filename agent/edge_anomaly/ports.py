"""What the core and its driver need of the world, as protocols that adapters fulfil."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.values import Message, Publish

__all__ = ["Graph", "Link", "Model"]


class Graph(Protocol):
    """A loaded graph, in whatever runs it."""

    @property
    def provider(self) -> str:
        """Where it really runs, such as CPUExecutionProvider."""
        ...

    @property
    def inputs(self) -> Collection[str]:
        """Names of what it takes.

        `window` float32 (B, W, C) in engineering units, `device` int64 (B,), `clock` float32
        (B, W, 4), `state` float32 (B, ...); NaN where a device has no state yet.
        """
        ...

    def run(self, feed: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.float32]]:
        """Answers by name.

        `observed` and `expected`, both (B, S, C) in scaled units for the span S that the score
        needs, and `state` where it takes one.

        Args:
            feed: At least what `inputs` names.
        """
        ...


@dataclass(frozen=True)
class Model:
    """Every graph of a bundle, loaded."""

    graphs: Mapping[str, Graph] = field(default_factory=dict)  # by branch
    ahead: Mapping[str, Graph] = field(default_factory=dict)  # by branch: run before the sample

    @property
    def provider(self) -> str:
        """Where the graphs run; they may differ."""
        return ", ".join(dict.fromkeys(graph.provider for graph in self.graphs.values())) or "none"


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
