"""A store in memory, whose disk can be made to refuse."""

from collections.abc import Sequence

from edge_anomaly.errors import StoreError
from edge_anomaly.ports import Remembered
from edge_anomaly.values import Publish

__all__ = ["MemoryStore"]


class MemoryStore:
    """What SqliteStore does, as plainly as can be; outlives the keepers that use it."""

    def __init__(self) -> None:
        self.states: list[tuple[int, bytes]] = []
        self.journal: list[tuple[int, bytes]] = []
        self.outbox: dict[int, Publish] = {}
        self.noted: dict[str, bytes] = {}
        self.generation = 0
        self.commits = 0
        self.refuses = False
        self.aside: list[str] = []
        self.closed = False

    def notes(self) -> dict[str, bytes]:
        return self.noted

    def load(self) -> Remembered:
        self._ask()
        first = self.states[0][0] if self.states else 0
        follows = not self.journal or self.journal[0][0] >= first
        state = self.states[0][1] if self.states and follows else None
        return Remembered(
            state, [t for _, t in self.journal], list(self.outbox.items()), self.noted
        )

    def commit(
        self, turns: bytes, added: Sequence[tuple[int, Publish]], removed: Sequence[int]
    ) -> None:
        self._ask()
        self.commits += 1
        if turns:
            self.journal.append((self.generation, turns))
        self.outbox |= dict(added)
        for number in removed:
            self.outbox.pop(number, None)

    def checkpoint(self, state: bytes, outbox: Sequence[tuple[int, Publish]] | None = None) -> None:
        self._ask()
        self.generation += 1
        kept = self.generation - (outbox is None)
        self.states = [*(one for one in self.states if one[0] >= kept), (self.generation, state)]
        self.journal = [one for one in self.journal if one[0] >= kept]
        if outbox is not None:
            self.outbox = dict(outbox)

    def note(self, key: str, value: bytes) -> None:
        self._ask()
        self.noted[key] = value

    def begin_anew(self, reason: str) -> str:
        self.aside.append(reason)
        self.states, self.journal, self.outbox, self.noted = [], [], {}, {}
        self.generation = 0
        return "aside"

    def close(self) -> None:
        self.closed = True

    def _ask(self) -> None:
        if self.refuses:
            raise StoreError("state/agent.db: database or disk is full")
