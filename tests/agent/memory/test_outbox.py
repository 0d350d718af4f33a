import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_anomaly.memory.outbox import Limits, Outbox
from edge_anomaly.values import Publish

BASE = "a"


def event(number: int) -> Publish:
    body = {"n": number, "message": 'says "replayed":false', "replayed": False}
    return Publish(f"{BASE}/event", json.dumps(body, separators=(",", ":")).encode())


def error(number: int) -> Publish:
    return Publish(f"{BASE}/error", b"%d" % number)


def state(device: str, word: bytes) -> Publish:
    return Publish(f"{BASE}/device/{device}/state", word, retain=True)


def sent(outbox: Outbox, room: int = 1000, now_s: float = 0.0) -> list[Publish]:
    return [item for _, item in outbox.due(room, now_s)]


def test_what_is_put_is_sent_in_order_and_once() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1), error(2), event(3)])
    assert sent(outbox, room=2) == [event(1), error(2)]
    outbox.put([event(4)])
    assert sent(outbox) == [event(3), event(4)]
    assert sent(outbox) == []


def test_it_stays_until_it_is_confirmed() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1), event(2)])
    numbers = [number for number, _ in outbox.due(10, 0.0)]
    assert len(outbox) == 2
    outbox.confirm(numbers[:1])
    assert outbox.kept() == [(numbers[1], event(2))]
    outbox.confirm(numbers)
    assert len(outbox) == outbox.size == 0


def test_changes_are_told_once_for_the_disk() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1), state("c-1", b"x"), event(2)])
    assert outbox.changed
    added, removed = outbox.changes()
    assert [item for _, item in added] == [event(1), event(2)]  # what is retained is not kept
    assert removed == []
    assert not outbox.changed
    assert outbox.changes() == ([], [])
    outbox.confirm([added[0][0]])
    assert outbox.changes() == ([], [added[0][0]])


def test_what_is_confirmed_before_it_is_written_never_is() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1)])
    outbox.confirm([number for number, _ in outbox.due(10, 0.0)])
    assert outbox.changes() == ([], [])


def test_of_a_retained_topic_the_newest_is_sent_and_before_all_else() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1), state("c-1", b"old"), state("c-2", b"two"), state("c-1", b"new")])
    assert sent(outbox) == [state("c-2", b"two"), state("c-1", b"new"), event(1)]
    assert outbox.dropped["superseded"] == 1


def test_a_connection_tells_the_newest_state_first_then_history_marked_as_such() -> None:
    outbox = Outbox(BASE, Limits(rate=2.0))
    outbox.put([state("c-1", b"old"), event(1), error(2), event(3), event(4)])
    outbox.greet([state("c-1", b"now")])
    outbox.put([event(5)])  # live, and behind what is older
    assert sent(outbox, now_s=0.0) == [state("c-1", b"now")]
    replayed = json.loads(sent(outbox, now_s=0.5)[0].payload)
    assert replayed == json.loads(event(1).payload) | {"replayed": True}
    assert sent(outbox, now_s=1.0) == [error(2)]
    assert sent(outbox, now_s=1.4) == []
    late = sent(outbox, now_s=100.0)  # a second's worth at once, however long nothing was said
    assert [json.loads(item.payload)["n"] for item in late] == [3, 4, 5]
    assert [json.loads(item.payload)["replayed"] for item in late] == [True, True, False]


def test_what_was_sent_before_the_loss_is_the_links_to_repeat() -> None:
    outbox = Outbox(BASE)
    outbox.put([event(1), event(2)])
    first, second = outbox.due(10, 0.0)
    outbox.greet([], under_way=[first[0]])
    [again] = outbox.due(10, 9.0)  # the link knows nothing of it any more
    assert again[0] == second[0]
    assert len(outbox) == 2


def test_a_topic_to_be_emptied_is_not_forgotten_by_a_greeting() -> None:
    outbox = Outbox(BASE)
    outbox.put([state("gone", b"")])
    outbox.greet([state("c-1", b"x")])
    assert sent(outbox) == [state("gone", b""), state("c-1", b"x")]


def test_what_an_earlier_run_left_comes_first_and_numbers_go_on_behind_it() -> None:
    outbox = Outbox(BASE, Limits(rate=1000.0))
    outbox.load([(7, event(1)), (9, event(2))])
    outbox.put([event(3)])
    assert [number for number, _ in outbox.kept()] == [7, 9, 10]
    assert outbox.changes()[0] == [(10, event(3))]
    sent(outbox, now_s=0.0)
    assert [json.loads(i.payload)["replayed"] for i in sent(outbox, now_s=1.0)] == [True] * 2 + [
        False
    ]


@pytest.mark.parametrize("limits", [Limits(messages=10), Limits(size=10 * 7)])
def test_events_are_never_dropped_and_say_stop_instead(limits: Limits) -> None:
    outbox = Outbox(BASE, limits)
    outbox.put(error(n) for n in range(9))
    assert not outbox.full
    outbox.put(event(n) for n in range(20))
    assert outbox.full
    kept = [item for _, item in outbox.kept()]
    assert [item for item in kept if item.topic == "a/event"] == [event(n) for n in range(20)]
    assert not [item for item in kept if item.topic == "a/error"]
    assert outbox.dropped["error"] == 9


def test_the_oldest_errors_go_first_and_are_counted() -> None:
    outbox = Outbox(BASE, Limits(messages=5))
    outbox.put(error(n) for n in range(12))
    assert outbox.kept()[-1][1] == error(11)
    assert len(outbox) == 4
    assert outbox.dropped["error"] == 8
    added, removed = outbox.changes()
    assert len(added) == 4
    assert removed == []


@given(st.lists(st.sampled_from("eErcgs"), max_size=60))
def test_bounded_in_order_and_nothing_lost_but_what_is_counted(script: list[str]) -> None:
    outbox = Outbox(BASE, Limits(messages=8, rate=1e9))
    put = {"e": 0, "E": 0}
    given_out: list[tuple[int, Publish]] = []
    disk: dict[int, Publish] = {}
    for step, what in enumerate(script):
        match what:
            case "e" | "E":
                put[what] += 1
                outbox.put([event(step) if what == "e" else error(step)])
            case "r":
                outbox.put([state("c", b"%d" % step)])
            case "c":
                outbox.confirm(number for number, _ in given_out)
            case "g":
                outbox.greet([state("c", b"greet")], under_way=[n for n, _ in given_out])
            case _:
                given_out += outbox.due(3, float(step))
        added, removed = outbox.changes()
        disk |= dict(added)
        for number in removed:
            del disk[number]
        assert list(disk.items()) == outbox.kept()
        assert outbox.size == sum(len(i.topic) + len(i.payload) for i in disk.values())
    numbers = [number for number, item in given_out if not item.retain]
    assert numbers == sorted(set(numbers))
    events = [n for n, item in given_out if item.topic == "a/event"]
    unsent = [n for n, item in outbox.kept() if item.topic == "a/event" and n not in events]
    assert len(events) + len(unsent) == put["e"]
