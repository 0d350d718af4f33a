"""What needs no broker: clocks that jump; damaged payloads are in fuzz.py."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from edge_anomaly.compose import compose
from edge_anomaly.memory.keeper import Keeper
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.service import serve
from edge_anomaly.values import Message, Publish
from proof import plant
from proof.plant import BASE, DEVICES, PERIOD_S, START_S, Ledger

__all__ = ["clock_jumps", "play"]

JUMPS_S = (0.0, 3600.0, -3600.0, 86_400.0, -86_400.0)  # of the gateway's clock


class Film:
    """A link on which a plant plays, a slot a round, and a clock that somebody sets."""

    connected = resumed = True
    slow = False
    connections = 1
    room = 20

    def __init__(self, slots: list[list[Message]], offset_s: Callable[[int], float]) -> None:
        self.filters: list[str] = []
        self.under_way: list[int] = []
        self.ledger = Ledger()
        self._slots = slots
        self._offset_s = offset_s
        self._at = 0
        self._tell = False

    @property
    def over(self) -> bool:
        """Whether the film has run."""
        return self._at >= 3 * len(self._slots)

    def clock(self) -> int:
        """Unix time in ns, as the gateway believes."""
        slot = self._at // 3
        return round((START_S + self._at / 3 * PERIOD_S + self._offset_s(slot)) * 1e9)

    def steady(self) -> float:
        """Time that nobody sets."""
        return self._at / 3 * PERIOD_S

    def poll(self, _timeout_s: float) -> list[Message]:
        """A slot, then two rounds of nothing."""
        self._at += 1
        return self._slots[(self._at - 1) // 3] if self._at % 3 == 1 else []

    def acknowledge(self) -> None:
        """Nothing is kept."""

    def publish(self, items: Iterable[Publish]) -> None:
        """Note it."""
        for item in items:
            self.ledger.take(item.topic, item.payload)

    def send(self, number: int, item: Publish) -> None:
        """Note it."""
        self.under_way.append(number)
        self.ledger.take(item.topic, item.payload)

    def confirmed(self) -> list[int]:
        """All of it."""
        done, self.under_way = self.under_way, []
        return done

    def subscribe(self, subscriptions: object, watched: object) -> None:
        """Nothing comes of it."""

    def close(self, last_words: Iterable[Publish]) -> None:
        """Note them."""
        self.publish(last_words)


def play(slots: int, seed: int, offset_s: Callable[[int], float]) -> Ledger:
    """The plant under a clock that is off by `offset_s(slot)`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plant.yaml")
        file.write_text(plant.config("mqtt://127.0.0.1:1"), "utf-8")
        core = compose(file)[1]
    film = Film(plant.messages(slots, seed), offset_s)
    serve(Keeper(core, Outbox(BASE)), film, film.clock, film.steady, lambda: film.over)
    return film.ledger


def clock_jumps(slots: int, seed: int) -> list[tuple[float, int, int, int, int]]:
    """For each jump, kept up for a third of the run and taken back.

    Returns:
        Seconds, events seen, of these unexpected ones, readings refused, devices that were
        not scored at the very end.
    """
    found = []
    expected = play(slots, seed, lambda _slot: 0.0)
    for jump_s in JUMPS_S:
        seen = play(
            slots,
            seed,
            lambda slot, by=jump_s: by if slots / 3 <= slot < 2 * slots / 3 else 0.0,  # type: ignore[misc] # bound at once
        )
        end_ms = (START_S + slots * PERIOD_S) * 1000
        stuck = sum(seen.scores.get((device, end_ms)) is None for device in DEVICES)
        new = len(seen.events.keys() - expected.events.keys())
        found.append((jump_s, len(seen.events), new, sum(seen.errors.values()), stuck))
    return found
