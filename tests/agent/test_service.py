from collections.abc import Iterable, Sequence

from plants import START, agent, config, fresh_core, message, of

from edge_anomaly.core import Core
from edge_anomaly.memory.keeper import Keeper
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.ports import Store
from edge_anomaly.service import serve
from edge_anomaly.values import Message, Publish

BASE = "edge-agent/v1/north/gw"
Round = tuple[float, bool, list[Message]]  # second, connected, what has arrived


class Scripted:
    """A link that plays rounds, and the clock that goes with them."""

    def __init__(self, rounds: list[Round]) -> None:
        self.rounds = rounds
        self.sent: list[Publish] = []
        self.last_words: list[Publish] = []
        self.acknowledged = 0
        self.connections = 0
        self.connected = False
        self.resumed = True
        self.filters = ["plant/#"]
        self.slow = False
        self.second = 0.0
        self.confirms = True  # what is sent at QoS 1
        self._open = 0
        self._under_way: list[int] = []

    @property
    def under_way(self) -> list[int]:
        return self._under_way

    @property
    def room(self) -> int:
        return 20 - len(self._under_way) if self.connected else 0

    def poll(self, timeout_s: float) -> list[Message]:
        assert timeout_s > 0
        if not self.rounds:
            return []
        self.second, connected, messages = self.rounds.pop(0)
        self.connections += connected and not self.connected
        self.connected = connected
        self._open += len(messages)
        return messages

    def subscribe(self, subscriptions: Sequence[tuple[str, int]], watched: Iterable[str]) -> None:
        self.filters = [name for name, _ in subscriptions]
        self.watched = list(watched)

    def acknowledge(self) -> None:
        self.acknowledged += self._open
        self._open = 0

    def publish(self, items: Iterable[Publish]) -> None:
        self.sent += items

    def send(self, number: int, item: Publish) -> None:
        self.sent.append(item)
        self._under_way.append(number)

    def confirmed(self) -> list[int]:
        if not self.confirms:
            return []
        done, self._under_way = self._under_way, []
        return done

    def close(self, last_words: Iterable[Publish]) -> None:
        self.last_words += last_words

    def run(self, core: Core, store: Store | None = None) -> Keeper:
        keeper = Keeper(core, Outbox(BASE), store)
        keeper.recover()
        serve(
            keeper,
            self,
            lambda: START + round(self.second * 1e9),
            lambda: self.second,
            lambda: not self.rounds,
        )
        return keeper


def readings(seconds: Iterable[int]) -> list[Message]:
    return [message(second, 10.0) for second in seconds]


def test_each_connection_is_greeted_and_the_end_is_told() -> None:
    link = Scripted([(0, True, []), (1, False, []), (2, True, []), (3, True, [])])
    link.run(fresh_core())
    assert [status["state"] for status in of(link.sent, "status")] == ["online", "online"]
    assert [status["state"] for status in of(link.last_words, "status")] == ["stopped"]


def test_messages_are_acknowledged_after_their_effect_is_sent() -> None:
    link = Scripted([(0, True, []), (10, True, readings(range(10)))])
    link.run(fresh_core())
    assert link.acknowledged == 10
    assert len(of(link.sent, "score")) == 10


def test_what_waited_at_the_broker_while_we_were_away_is_not_late() -> None:
    rules = config(
        "    lateness: 0s\n    max_gap: 2s\n  - topic: wide", "    max_gap: 2s\n  - topic: wide"
    )
    half = message(10, 10.0, signal="flow")
    rest = [message(10, 10.0, signal="temp"), *readings(range(11, 15))]
    core, monitor = agent(rules)
    link = Scripted(
        [
            (0, True, readings(range(10))),
            (10, True, [half]),
            (60, False, []),  # cut off for a minute, and half a slot is at the broker
            (61, True, rest),
        ]
    )
    link.run(core)
    assert core.rejected == {}
    assert monitor.readings == 30
