"""Sees to it that what the broker is told is on disk: turns, outbox, snapshots.

    turn ── journal ──┐
                      ├─ one transaction ─▶ acknowledge the messages, send what they led to
    events ─ outbox ──┘

Commits are grouped: an event is committed at once, readings within `commit` or when the
broker waits for us. After a crash the newest snapshot but one is restored and the turns
since then are taken again, which gives the same state, event ids and scores.
"""

import logging
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from edge_anomaly.core import Core
from edge_anomaly.errors import StateError, StoreError
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.memory.packing import pack, unpack
from edge_anomaly.memory.turns import Turn, read_turns, take, write_turns
from edge_anomaly.ports import Store
from edge_anomaly.values import Message, Publish

__all__ = ["Keeper", "Pace", "Seen", "read_swapped"]

log = logging.getLogger(__name__)

FILTERS, SWAPPED = "filters", "swapped"  # notes in the store
UNDER_WAY = 4000  # messages of QoS 1 that a broker may have sent us unacknowledged
STALLED = 10  # messages unacknowledged with nothing more coming: the broker may be waiting
TURNS = 200  # without messages, after which they are written all the same
TURN_BYTES = 4 << 20  # of payloads, likewise
JOURNAL_BYTES = 8 << 20  # at least, before a snapshot is taken for its size


@dataclass(frozen=True)
class Pace:
    """How often things are written, s."""

    commit: float = 0.1
    checkpoint: float = 30.0


class Seen:
    """Which messages of QoS 1 have been taken, so that none is taken again.

    A broker that got no acknowledgement delivers a message again under the same packet id,
    marked as a duplicate. Ids come round again, so only the latest that can be unacknowledged
    are compared, and by content.
    """

    def __init__(self) -> None:
        self._taken: dict[int, tuple[int, int]] = {}  # id: how many came before, content
        self._count = 0

    def fresh(self, messages: Iterable[Message]) -> list[Message]:
        """The messages that have not been taken before, which now they have."""
        found = []
        for message in messages:
            if message.qos:
                content = zlib.crc32(message.payload, zlib.crc32(message.topic.encode()))
                if message.duplicate:
                    count, before = self._taken.get(message.packet_id, (-UNDER_WAY, 0))
                    if before == content and self._count - count < UNDER_WAY:
                        continue
                self._taken[message.packet_id] = self._count, content
                self._count += 1
            found.append(message)
        return found

    def forget(self) -> None:
        """The broker has begun a new session, with new ids."""
        self._taken.clear()


def read_swapped(notes: Mapping[str, bytes]) -> dict[str, str]:
    """Folders that took over from those of the config, from a store's notes."""
    return msgspec.json.decode(notes.get(SWAPPED, b"{}"), type=dict[str, str])


class Keeper:
    """Between the core and the store; `store` is None where nothing is to be kept."""

    def __init__(
        self,
        core: Core,
        outbox: Outbox,
        store: Store | None = None,
        *,
        pace: Pace | None = None,
        go_on: bool = False,
    ) -> None:
        """Make ready; `recover` comes first.

        Args:
            core: Whose turns are kept.
            outbox: What it has to say at QoS 1.
            store: Where.
            pace: How often.
            go_on: Whether to work on in memory when the disk refuses.
        """
        self.core = core
        self.outbox = outbox
        self.scores: deque[Publish] = deque()  # said before a crash, to be said again
        self.failing: str | None = None  # why nothing is kept at present
        self.filters: list[str] = []  # that a broker may hold subscriptions for
        self.swapped: dict[str, str] = {}  # folders that took over from those of the config
        self.redelivered = 0  # messages that came again and were known
        self._store = store
        self._pace = pace or Pace()
        self._go_on = go_on
        self._seen = Seen()
        self._turns: list[Turn] = []  # not yet written
        self._turn_bytes = 0
        self._unacknowledged = 0
        self._withheld = False  # acknowledgements, until the outbox has room again
        self._since: float | None = None  # the oldest of what is not yet written came
        self._idle = True  # nothing came in the last turn
        self._journal_bytes = self._snapshot_bytes = 0
        self._journaled = False  # messages are in the journal
        self._checked: float | None = None  # when the last snapshot was taken

    @property
    def waiting(self) -> bool:
        """Whether messages are unacknowledged, so that the next poll must not last."""
        return self._unacknowledged > 0

    def recover(self) -> None:
        """Become what the agent was when it was last on disk.

        Raises:
            StoreError: The disk refuses.
        """
        if self._store is None:
            return
        kept = self._store.load()
        self.filters = msgspec.json.decode(kept.notes.get(FILTERS, b"[]"), type=list[str])
        self.swapped = read_swapped(kept.notes)
        self.outbox.load(kept.outbox)
        if kept.state is None and not kept.turns:
            return
        try:
            lost = self.core.restore(unpack(kept.state)) if kept.state is not None else []
            turns = [turn for some in kept.turns for turn in read_turns(some)]
        except StateError as exc:
            self._store.begin_anew(str(exc))
            self._store.checkpoint(pack(self.core.snapshot()), self.outbox.kept())
            return
        for what in lost:
            log.warning("not taken over: %s", what)
        for turn in turns:
            self._seen.fresh(turn.messages)
            _, said = take(self.core, turn)
            self.scores += [item for item in said if not item.qos]
        self.core.asked.requests.clear()  # answered then, or never
        log.info(
            "restored; %d messages in the journal, %d to be sent",
            sum(len(turn.messages) for turn in turns), len(self.outbox),
        )  # fmt: skip
        self._journal_bytes = sum(map(len, kept.turns))
        self._journaled = bool(turns)

    def fresh(self, messages: list[Message], *, session: bool) -> list[Message]:
        """Those that have not been taken before a loss of the connection.

        Args:
            messages: As they came.
            session: False at the beginning of a session that the broker made anew.
        """
        if not session:
            self._seen.forget()
        found = self._seen.fresh(messages)
        self.redelivered += len(messages) - len(found)
        self._idle = not messages
        self._unacknowledged += sum(1 for message in messages if message.qos)
        return found

    def record(self, turn: Turn, now_s: float) -> None:
        """A turn has been taken."""
        if self._store is not None and self.failing is None:
            self._turns.append(turn)
            self._turn_bytes += sum(len(message.payload) for message in turn.messages)
        if self._since is None and turn.messages:
            self._since = now_s

    def note_filters(self, filters: list[str]) -> None:
        """Remember what the broker may hold subscriptions for, so that they can be ended."""
        if filters == self.filters:
            return
        self.filters = filters
        self._note(FILTERS, filters)

    def note_swapped(self, swapped: dict[str, str]) -> None:
        """Remember which folders took over from those of the config."""
        self.swapped = swapped
        self._note(SWAPPED, swapped)

    def begin_again(self, now_s: float) -> None:
        """The core has become another: what came before is no way to its state any more."""
        if self._store is None:
            return
        self._turns.clear()
        self._checked = now_s
        state = pack(self.core.snapshot())
        try:
            self._store.checkpoint(state, self.outbox.kept())
        except StoreError as exc:
            self._fail(exc)
            return
        self.outbox.changes()
        self._snapshot_bytes, self._journal_bytes, self._journaled = len(state), 0, False

    def due(self, now_s: float) -> bool:
        """Whether it is time to commit."""
        if self.outbox.changed or (self._withheld and not self.outbox.full):
            return True
        if len(self._turns) >= TURNS or self._turn_bytes >= TURN_BYTES:
            return True
        if self._since is None:
            return False
        stalled = self._idle and self._unacknowledged >= STALLED
        unkept = self._store is None or self.failing is not None
        enough = self._unacknowledged >= UNDER_WAY // 2
        return stalled or unkept or enough or now_s - self._since >= self._pace.commit

    def commit(self, now_s: float) -> bool:
        """Put on disk what has happened; whether it may be acknowledged.

        It may not while the outbox is full: then the broker keeps what it has for us.

        Raises:
            StoreError: The disk refuses, and we are not to go on without.
        """
        added, removed = self.outbox.changes()
        if self._store is not None and self.failing is None and (self._turns or added or removed):
            turns = write_turns(self._turns) if self._turns else b""
            try:
                self._store.commit(turns, added, removed)
            except StoreError as exc:
                self._fail(exc)
            self._journal_bytes += len(turns)
            self._journaled = self._journaled or any(turn.messages for turn in self._turns)
        self._turns.clear()
        self._turn_bytes, self._unacknowledged, self._since = 0, 0, None
        if self._checkpoint_due(now_s):
            self.checkpoint(now_s)
        self._withheld = self.outbox.full
        return not self._withheld

    def checkpoint(self, now_s: float) -> None:
        """Put the whole state on disk; after a failure this is how it is mended.

        Raises:
            StoreError: The disk refuses, and we are not to go on without.
        """
        if self._store is None:
            return
        if self._turns:
            raise RuntimeError("turns that are not written would be in the state as well")
        self._checked = now_s
        state = pack(self.core.snapshot())
        try:
            self._store.checkpoint(state, self.outbox.kept() if self.failing else None)
        except StoreError as exc:
            self._fail(exc)
            return
        if self.failing is not None:
            log.warning("the store can be written again")
            self.failing = None
        self._snapshot_bytes, self._journal_bytes, self._journaled = len(state), 0, False

    def close(self, now_s: float) -> None:
        """Leave everything on disk."""
        self.commit(now_s)
        self.checkpoint(now_s)
        if self._store is not None:
            self._store.close()

    def _note(self, key: str, value: object) -> None:
        if self._store is not None:
            try:
                self._store.note(key, msgspec.json.encode(value))
            except StoreError as exc:
                self._fail(exc)

    def _checkpoint_due(self, now_s: float) -> bool:
        if self._checked is None:
            self._checked = now_s
        waited = now_s - self._checked >= self._pace.checkpoint
        long = self._journal_bytes >= max(JOURNAL_BYTES, 4 * self._snapshot_bytes)
        return (waited and (self._journaled or self.failing is not None)) or long

    def _fail(self, error: StoreError) -> None:
        if not self._go_on:
            raise error
        if self.failing is None:
            log.error("%s; going on without, a crash would lose what comes now", error)
        self.failing = str(error)
        self._journal_bytes = 0
