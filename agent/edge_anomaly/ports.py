"""What the core and its driver need of the world, as protocols that adapters fulfil."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.values import Message, Publish

__all__ = ["Bystander", "Graph", "Link", "Model", "Remembered", "Store"]


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
        needs, and `new_state` where it takes a `state`.

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

    @property
    def resumed(self) -> bool:
        """Whether the broker remembers the session of an earlier connection."""
        ...

    @property
    def room(self) -> int:
        """How many more messages of QoS 1 may be under way; none while it is away."""
        ...

    @property
    def under_way(self) -> Collection[int]:
        """Numbers of what is sent, and sent again, until the broker confirms it."""
        ...

    @property
    def filters(self) -> list[str]:
        """All that the broker may hold subscriptions for under our id."""
        ...

    @property
    def slow(self) -> bool:
        """Whether so much waits for the broker that nothing of QoS 0 should join it."""
        ...

    def subscribe(self, subscriptions: Sequence[tuple[str, int]], watched: Iterable[str]) -> None:
        """Have these from now on, filter and QoS, and no others; silence on `watched` counts."""
        ...

    def acknowledge(self) -> None:
        """Tell the broker that what `poll` gave so far need not be kept."""
        ...

    def publish(self, items: Iterable[Publish]) -> None:
        """Send at QoS 0; lost where the connection is."""
        ...

    def send(self, number: int, item: Publish) -> None:
        """Send at QoS 1, at least once, also over a loss of the connection."""
        ...

    def confirmed(self) -> list[int]:
        """Numbers of what the broker has taken since the last call."""
        ...

    def close(self, last_words: Iterable[Publish]) -> None:
        """Send the last words and disconnect."""
        ...


class Bystander(Protocol):
    """Who stands beside the service: hears all it says, and may ask and add something."""

    def asked(self) -> list[Message]:
        """Commands for the next turn, as if they had come over MQTT."""
        ...

    def heard(self, said: Sequence[Publish], now_ns: int, /) -> list[Publish]:
        """Hear what was said; what is to be said besides."""
        ...


class Remembered(NamedTuple):
    """What a store holds of an earlier run."""

    state: bytes | None  # packed; None where there is none
    turns: list[bytes]  # written since, the oldest first
    outbox: list[tuple[int, Publish]]  # the oldest first
    notes: dict[str, bytes]


class Store(Protocol):
    """Keeps things over a crash. What returns without an error is on disk.

    All of it raises StoreError where the disk refuses.
    """

    def notes(self) -> dict[str, bytes]:
        """Small things by name."""
        ...

    def load(self) -> Remembered:
        """What an earlier run left."""
        ...

    def commit(
        self, turns: bytes, added: Sequence[tuple[int, Publish]], removed: Sequence[int]
    ) -> None:
        """Add to the journal and to the outbox, and take from the outbox, in one transaction."""
        ...

    def checkpoint(self, state: bytes, outbox: Sequence[tuple[int, Publish]] | None = None) -> None:
        """Replace the journal by the state it leads to, and the outbox where one is given."""
        ...

    def note(self, key: str, value: bytes) -> None:
        """Remember a small thing by name."""
        ...

    def begin_anew(self, reason: str) -> str:
        """Keep all that is there aside, for whoever wants to look at it; where it is now."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
