"""Crashes at any step, on a broker and a disk that are plain Python: there they are cheap."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import START, fresh_core, message, of
from stores import MemoryStore

from edge_anomaly.errors import StoreError
from edge_anomaly.memory.keeper import UNDER_WAY, Keeper, Pace, Seen
from edge_anomaly.memory.outbox import Limits, Outbox
from edge_anomaly.memory.packing import pack
from edge_anomaly.memory.turns import Turn, read_turns, write_turns
from edge_anomaly.service import serve
from edge_anomaly.values import Message, Publish

BASE = "edge-agent/v1/north/gw"
FLOW = (
    [10.0] * 8 + [10.0, 12.0, 14.5, 17.5, 21.0, 25.0, 25.0] + [10.0] * 12 + [14.0, 18.0, 25.0, 39.0]
)


class CrashError(BaseException):
    """The process ends here."""


class Fuse:
    """Ends the process after so many steps."""

    def __init__(self, steps: int | None) -> None:
        self.steps = steps

    def burn(self) -> None:
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise CrashError


class Session:
    """A broker's side of a persistent session, and a subscriber's account of what it was told."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.waiting = list(messages)
        self.under_way: list[Message] = []
        self.told: list[Publish] = []
        self._id = 0

    def deliver(self, count: int) -> list[Message]:
        fresh = []
        for one in self.waiting[:count]:
            self._id = self._id % 65_535 + 1
            fresh.append(one._replace(qos=1, packet_id=self._id))
        del self.waiting[:count]
        self.under_way += fresh
        return fresh

    def deliver_again(self) -> list[Message]:
        return [one._replace(duplicate=True) for one in self.under_way]


class Link:
    """A client's side of it; a crash comes before or after any step."""

    connected = resumed = True
    slow = False

    def __init__(self, session: Session, fuse: Fuse, batch: int) -> None:
        self.connections = 1
        self.filters = ["plant/#"]
        self._session = session
        self._fuse = fuse
        self._batch = batch
        self._again = session.deliver_again()
        self._taken: list[Message] = []
        self._under_way: list[int] = []
        self.rounds_left = 5  # once nothing comes any more

    @property
    def under_way(self) -> list[int]:
        return self._under_way

    @property
    def room(self) -> int:
        return 20 - len(self._under_way)

    @property
    def done(self) -> bool:
        return not self.rounds_left

    def poll(self, timeout_s: float) -> list[Message]:
        assert timeout_s > 0
        self._fuse.burn()
        again, self._again = self._again, []
        got = again or self._session.deliver(self._batch)
        self.rounds_left -= not got
        self._taken += got
        return got

    def subscribe(self, subscriptions: Sequence[tuple[str, int]], watched: Iterable[str]) -> None:
        self.filters = [name for name, _ in subscriptions]
        self.watched = list(watched)

    def acknowledge(self) -> None:
        self._fuse.burn()
        done = {one.packet_id for one in self._taken}
        self._taken.clear()
        kept = [one for one in self._session.under_way if one.packet_id not in done]
        self._session.under_way = kept
        self._fuse.burn()

    def publish(self, items: Iterable[Publish]) -> None:
        self._fuse.burn()
        self._session.told += items

    def send(self, number: int, item: Publish) -> None:
        self._fuse.burn()
        self._session.told.append(item)
        self._under_way.append(number)

    def confirmed(self) -> list[int]:
        self._fuse.burn()
        done, self._under_way = self._under_way, []
        return done

    def close(self, last_words: Iterable[Publish]) -> None:
        self._session.told += last_words


class Disk(MemoryStore):
    """A crash comes before or after a transaction, never within one."""

    fuse = Fuse(None)

    def commit(self, *args: Any) -> None:
        self.fuse.burn()
        super().commit(*args)
        self.fuse.burn()

    def checkpoint(self, *args: Any) -> None:
        self.fuse.burn()
        super().checkpoint(*args)
        self.fuse.burn()


def readings() -> list[Message]:
    return [
        message(second, {"flow": value, "temp": 10.0}, device=device)
        for second, value in enumerate(FLOW)
        for device in ("c-1", "c/2")
    ]


def live(session: Session, disk: Disk, steps: int | None, *, batch: int, began: float) -> bool:
    """One life of the agent; whether it ended by itself."""
    fuse = Fuse(steps)
    disk.fuse = fuse
    keeper = Keeper(fresh_core(), Outbox(BASE), disk, pace=Pace(commit=0.2, checkpoint=1.0))
    link = Link(session, fuse, batch)
    seconds = began

    def steady() -> float:
        nonlocal seconds
        seconds += 0.01
        return seconds

    try:
        keeper.recover()
        serve(keeper, link, lambda: START + round(steady() * 1e9), steady, lambda: link.done)
    except CrashError:
        return False
    return True


def account(session: Session) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Events by id and number, scores by device and time; repetitions must agree."""
    events: dict[Any, Any] = {}
    for event in of(session.told, "event"):
        same = {name: event[name] for name in event if name not in {"publish_ts", "replayed"}}
        assert events.setdefault((event["event_id"], event["seq"]), same) == same
    scores: dict[Any, Any] = {}
    for score in of(session.told, "score"):
        assert scores.setdefault((score["device"], score["ts_ms"]), score) == score
    return events, scores


def uninterrupted() -> tuple[dict[Any, Any], dict[Any, Any]]:
    session = Session(readings())
    assert live(session, Disk(), None, batch=7, began=0.0)
    return account(session)


EXPECTED = uninterrupted()


def test_the_plant_has_alarms_to_lose() -> None:
    events, scores = EXPECTED
    assert sorted(event["type"] for event in events.values()) == ["end"] * 2 + ["new"] * 4
    assert len(scores) == 2 * len(FLOW)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 120), max_size=8), st.integers(1, 20))
def test_wherever_it_crashes_the_same_is_told(lives: list[int], batch: int) -> None:
    session, disk = Session(readings()), Disk()
    began = 0.0
    for steps in lives:
        live(session, disk, steps, batch=batch, began=began)
        began += 5.0
    assert live(session, disk, None, batch=batch, began=began)
    assert account(session) == EXPECTED
    assert not session.under_way
    assert not of(session.told, "error")  # nothing was taken twice, or too late
    assert not disk.outbox
    assert disk.closed


def test_events_of_one_alarm_are_told_in_order() -> None:
    session, disk = Session(readings()), Disk()
    for life in range(20):
        live(session, disk, 40, batch=3, began=life * 5.0)
    live(session, disk, None, batch=3, began=200.0)
    seqs: dict[str, list[int]] = {}
    for event in of(session.told, "event"):
        seqs.setdefault(event["event_id"], []).append(event["seq"])
    for told in seqs.values():
        assert all(b <= a + 1 for a, b in pairwise(told))  # again perhaps, ahead never


def keeper_on(disk: MemoryStore, *, go_on: bool = False, limits: Limits | None = None) -> Keeper:
    return Keeper(fresh_core(), Outbox(BASE, limits), disk, go_on=go_on, pace=Pace(0.1, 30.0))


def turn(second: float, messages: Iterable[Message] = ()) -> Turn:
    return Turn(START + round(second * 1e9), greeting=False, ticking=True, messages=[*messages])


def test_readings_wait_for_a_group_and_events_do_not() -> None:
    disk = MemoryStore()
    keeper = keeper_on(disk)
    one = message(0, 10.0)._replace(qos=1, packet_id=1)
    keeper.record(turn(0, keeper.fresh([one], session=True)), 0.0)
    assert keeper.waiting
    assert not keeper.due(0.05)
    assert keeper.due(0.1)
    keeper.outbox.put([Publish(f"{BASE}/event", b"{}")])
    assert keeper.due(0.05)
    assert keeper.commit(0.05)
    assert disk.commits == 1
    assert not keeper.waiting
    assert not keeper.due(9.0)


def test_a_broker_that_waits_for_us_is_not_kept_waiting() -> None:
    keeper = keeper_on(MemoryStore())
    many = [message(n, 10.0)._replace(qos=1, packet_id=n + 1) for n in range(20)]
    keeper.record(turn(0, keeper.fresh(many, session=True)), 0.0)
    assert not keeper.due(0.01)
    keeper.record(turn(0, keeper.fresh([], session=True)), 0.01)  # nothing more comes
    assert keeper.due(0.01)


def test_without_a_store_nothing_is_remembered_and_all_is_acknowledged() -> None:
    keeper = Keeper(fresh_core(), Outbox(BASE))
    keeper.recover()
    keeper.record(turn(0, keeper.fresh([message(0, 10.0)._replace(qos=1)], session=True)), 0.0)
    assert keeper.due(0.0)
    assert keeper.commit(0.0)
    keeper.close(1.0)


def test_idle_turns_are_written_now_and_then_and_take_no_snapshot() -> None:
    disk = MemoryStore()
    keeper = keeper_on(disk)
    for number in range(2000):
        keeper.record(turn(number), float(number))
        if keeper.due(float(number)):
            keeper.commit(float(number))
    assert disk.commits == 10
    assert not disk.states


def test_a_snapshot_is_taken_in_time_or_when_the_journal_is_long() -> None:
    disk = MemoryStore()
    keeper = keeper_on(disk)
    for number in range(100):
        keeper.record(turn(number, [message(number, 10.0)]), float(number))
        keeper.commit(float(number))
    assert disk.generation == 3
    assert len(disk.journal) < 70
    long = [Message("wide", bytes(1 << 20))] * 9
    keeper.record(turn(100, long), 100.0)
    assert keeper.due(100.0)
    keeper.commit(100.0)
    assert disk.generation == 4


def test_a_full_outbox_holds_the_broker_back_until_it_drains() -> None:
    keeper = keeper_on(MemoryStore(), limits=Limits(messages=2))
    keeper.outbox.put([Publish(f"{BASE}/event", b"1"), Publish(f"{BASE}/event", b"2")])
    assert keeper.due(0.0)
    assert not keeper.commit(0.0)
    assert not keeper.due(9.0)
    keeper.outbox.confirm([number for number, _ in keeper.outbox.due(5, 9.0)])
    assert keeper.due(9.0)
    assert keeper.commit(9.0)


def test_a_disk_that_refuses_ends_the_agent() -> None:
    disk = MemoryStore()
    keeper = keeper_on(disk)
    disk.refuses = True
    keeper.record(turn(0, [message(0, 10.0)]), 0.0)
    with pytest.raises(StoreError, match="disk is full"):
        keeper.commit(0.0)


def test_where_the_config_says_so_it_goes_on_in_memory_and_mends_what_was_missed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = MemoryStore()
    keeper = keeper_on(disk, go_on=True)
    keeper.commit(0.0)
    disk.refuses = True
    keeper.outbox.put([Publish(f"{BASE}/event", b"while it was full")])
    for second in range(1, 20):
        keeper.record(turn(second, [message(second, 10.0)]), float(second))
        assert keeper.commit(float(second))
    assert caplog.text.count("disk is full; going on without") == 1
    assert keeper.failing
    disk.refuses = False
    keeper.record(turn(31, [message(31, 10.0)]), 31.0)
    keeper.commit(31.0)
    assert keeper.failing is None
    assert "can be written again" in caplog.text
    assert [item.payload for item in disk.outbox.values()] == [b"while it was full"]
    other = keeper_on(disk)
    other.recover()
    assert pack(other.core.snapshot()) == pack(keeper.core.snapshot())


@pytest.mark.parametrize("state", [b"\xc1", pack({"monitors": []}), pack([1])])
@pytest.mark.parametrize("journal", [b"\xc1", msgspec.msgpack.encode([[1, 2]])])
def test_a_state_that_is_none_is_set_aside_and_its_alarms_are_still_told(
    state: bytes, journal: bytes
) -> None:
    disk = MemoryStore()
    disk.outbox = {3: Publish(f"{BASE}/event", b"{}")}
    disk.states, disk.journal = [(0, state)], [(0, journal)]
    keeper = keeper_on(disk)
    keeper.recover()
    assert len(disk.aside) == 1
    assert list(disk.outbox) == [3]
    assert len(keeper.outbox) == 1
    assert pack(keeper.core.snapshot()) == pack(fresh_core().snapshot())


def test_turns_come_back_as_they_were() -> None:
    turns = [
        Turn(START, greeting=True, ticking=False, messages=[]),
        turn(1, [Message("t", b"\x00\xff", 1, response_topic="r", correlation=b"c", packet_id=9)]),
    ]
    assert read_turns(write_turns(turns)) == turns


def known(seen: Seen, one: Message) -> bool:
    return not seen.fresh([one])


def test_only_what_is_marked_as_a_duplicate_and_is_one_is_taken_for_it() -> None:
    seen = Seen()
    one = Message("t", b"1", qos=1, packet_id=5)
    assert not known(seen, one)
    assert not known(seen, one)  # the same words again are a message of their own
    assert known(seen, one._replace(duplicate=True))
    assert not known(seen, one._replace(duplicate=True, payload=b"2"))
    assert not known(seen, one._replace(duplicate=True, packet_id=6))
    assert not known(seen, Message("t", b"1", duplicate=True))  # of QoS 0
    seen.forget()
    assert not known(seen, one._replace(duplicate=True))


def test_an_id_that_has_come_round_is_not_taken_for_the_old_one() -> None:
    seen = Seen()
    one = Message("t", b"1", qos=1, packet_id=5)
    seen.fresh([one])
    seen.fresh(Message("t", b"x", qos=1, packet_id=6 + n) for n in range(UNDER_WAY))
    assert not known(seen, one._replace(duplicate=True))
