"""What waits to be told at QoS 1, until the broker has confirmed it.

| what                     | kept                | when there is too much                       |
|--------------------------|---------------------|----------------------------------------------|
| events                   | on disk, in order   | never dropped: `full`, and reading stops     |
| errors, replies          | on disk, in order   | the oldest are dropped and counted           |
| retained (states, info)  | newest of a topic   | superseded; told anew on every connect       |
| QoS 0 (scores, health)   | not here            | dropped by the link while it is slow or away |

Retained topics come first, then the rest in order. What had to wait for a connection goes out
at a bounded rate and is marked as replayed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from edge_anomaly.values import Publish

__all__ = ["Limits", "Outbox", "Waiting"]


@dataclass(frozen=True)
class Limits:
    """Bounds of an outbox."""

    messages: int = 10_000
    size: int = 16 << 20  # bytes of topics and payloads
    rate: float = 500.0  # of history a second, so that consumers and broker keep up


@dataclass
class Waiting:
    """One message on its way."""

    item: Publish
    sent: bool = False
    late: bool = False  # it had to wait for a connection

    @property
    def size(self) -> int:
        """Bytes it is counted as."""
        return len(self.item.topic) + len(self.item.payload)


class Outbox:
    """Messages by number, the oldest first."""

    def __init__(self, base: str, limits: Limits | None = None) -> None:
        """Begin empty.

        Args:
            base: Of our topics; `<base>/event` is never dropped.
            limits: By default `Limits()`.
        """
        self.limits = limits or Limits()
        self.dropped: Counter[str] = Counter()  # by reason
        self._event = f"{base}/event"
        self._next = 1
        self._kept: dict[int, Waiting] = {}  # to be confirmed, whatever happens to us
        self._retained: dict[str, tuple[int, Waiting]] = {}  # by topic
        self._retained_sent: set[int] = set()
        self._added: list[int] = []  # since the last `changes`
        self._removed: list[int] = []
        self._size = 0
        self._allowance = 0.0  # of history that may be sent now
        self._since: float | None = None

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    @property
    def full(self) -> bool:
        """Whether nothing more should be taken in that may lead to events."""
        return len(self._kept) >= self.limits.messages or self._size >= self.limits.size

    def put(self, items: Iterable[Publish]) -> None:
        """Take messages of QoS 1."""
        for item in items:
            number, self._next = self._next, self._next + 1
            if item.retain:
                if item.topic in self._retained:
                    self.dropped["superseded"] += 1
                    del self._retained[item.topic]
                self._retained[item.topic] = number, Waiting(item)
            else:
                self._keep(number, Waiting(item))
                self._added.append(number)
        if self.full:
            self._make_room()

    def load(self, kept: Iterable[tuple[int, Publish]]) -> None:
        """Take what an earlier run left on disk, oldest first; it is history."""
        for number, item in kept:
            self._keep(number, Waiting(item, late=True))
            self._next = max(self._next, number + 1)

    def greet(self, items: Iterable[Publish], under_way: Collection[int] = ()) -> None:
        """A connection was made: all retained topics are told anew, what waited is history.

        Args:
            items: The retained topics.
            under_way: What the link itself sends again.
        """
        # Topics that are to be emptied are told by nobody else.
        self._retained = {t: one for t, one in self._retained.items() if not one[1].item.payload}
        self.put(items)
        resent = set(under_way)
        for number, waiting in self._kept.items():
            waiting.sent = number in resent
            waiting.late = waiting.late or not waiting.sent

    def due(self, room: int, now_s: float) -> Iterator[tuple[int, Publish]]:
        """The messages to be sent now, at most `room`; each counts as sent when it is given.

        Args:
            room: How many the link takes.
            now_s: Of a clock that never jumps.
        """
        allowed = self._history_allowed(now_s)
        while room > 0 and self._retained:
            topic = next(iter(self._retained))
            number, waiting = self._retained.pop(topic)
            self._retained_sent.add(number)
            room -= 1
            yield number, waiting.item
        for number, waiting in self._kept.items():
            if room <= 0:
                return
            if waiting.sent:
                continue
            if waiting.late:
                if allowed < 1:
                    return  # what is newer waits too: the order is kept
                allowed -= 1
                self._allowance -= 1
            waiting.sent = True
            room -= 1
            yield number, self._as_told(waiting)

    def confirm(self, numbers: Iterable[int]) -> None:
        """The broker has these."""
        for number in numbers:
            if number in self._retained_sent:
                self._retained_sent.discard(number)
            else:
                self._drop(number)

    def changes(self) -> tuple[list[tuple[int, Publish]], list[int]]:
        """What is to be written to disk and deleted there since the last call."""
        removed = set(self._removed)
        fresh = set(self._added)
        added = [(n, self._kept[n].item) for n in self._added if n in self._kept]
        gone = [number for number in removed if number not in fresh]
        self._added, self._removed = [], []
        return added, gone

    def kept(self) -> list[tuple[int, Publish]]:
        """All that belongs on disk, the oldest first."""
        return [(number, waiting.item) for number, waiting in self._kept.items()]

    @property
    def changed(self) -> bool:
        """Whether something is to be written before it may be sent."""
        return bool(self._added)

    def _history_allowed(self, now_s: float) -> float:
        rate = self.limits.rate
        if self._since is not None:
            gained = max(0.0, now_s - self._since) * rate
            self._allowance = min(rate, self._allowance + gained)  # a second's worth at most
        self._since = now_s
        return self._allowance

    def _as_told(self, waiting: Waiting) -> Publish:
        item = waiting.item
        if not waiting.late or item.topic != self._event:
            return item
        # A quotation mark inside a text of JSON is escaped, so this is the member itself.
        payload = item.payload.replace(b'"replayed":false', b'"replayed":true', 1)
        return item._replace(payload=payload)

    def _keep(self, number: int, waiting: Waiting) -> None:
        self._kept[number] = waiting
        self._size += waiting.size

    def _drop(self, number: int) -> None:
        waiting = self._kept.pop(number, None)
        if waiting is not None:
            self._size -= waiting.size
            self._removed.append(number)

    def _make_room(self) -> None:
        """Drop what is no event and not under way, the oldest first, until there is room."""
        for number, waiting in list(self._kept.items()):
            if not self.full:
                return
            if waiting.item.topic != self._event and not waiting.sent:
                self.dropped[waiting.item.topic.rsplit("/", 1)[-1]] += 1
                self._drop(number)
