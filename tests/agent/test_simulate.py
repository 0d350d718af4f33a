import argparse
import json
import threading
from datetime import UTC, datetime

import msgspec
import pytest
from brokers import eventually
from hypothesis import given
from hypothesis import strategies as st
from peers import peer

from edge_anomaly import simulate
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.errors import BrokerError
from edge_anomaly.files.inputs import JsonInput, Time
from edge_anomaly.formats import Sample
from edge_anomaly.formats.json import JsonFormat
from edge_anomaly.plants import (
    COMPRESSORS,
    PERIOD_S,
    PLANTS,
    SIGNALS,
    START_S,
    Compressors,
    Fault,
    Kind,
    Plant,
)
from edge_anomaly.simulate import Feed, Label, Pace, drive
from edge_anomaly.topics import read_topic, routes
from edge_anomaly.values import Message, Publish

LEAK = Fault.of(Kind.PRIMARY_SEAL_LEAK, "c-2", (3, 6), size=2.0)


class Paper:
    """A wire that writes down what is sent, and is taken by the broker as told."""

    def __init__(self, *, takes: bool = True) -> None:
        self.sent: list[Publish] = []
        self.takes = takes
        self.asked = threading.Event()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.sent.append(Publish(topic, payload, retain=retain))

    def flush(self, timeout_s: float) -> bool:
        del timeout_s
        self.asked.set()
        return self.takes


def readings(messages: list[Publish]) -> list[Publish]:
    return [message for message in messages if message.topic.startswith("plant/")]


def labels(messages: list[Publish]) -> list[tuple[str, Label]]:
    return [
        (message.topic, msgspec.json.decode(message.payload, type=Label))
        for message in messages
        if message.topic.startswith("plant-labels/")
    ]


def test_sends_each_signal_of_each_machine_once_a_slot_with_the_plants_time() -> None:
    feed = Feed(COMPRESSORS, 1)
    for slot in range(3):
        sent = readings(feed.slot())
        assert len({message.topic for message in sent}) == len(sent) == 40
        assert {json.loads(message.payload)["t"] for message in sent} == {START_S + slot * PERIOD_S}
        assert all(message.qos == 1 and not message.retain for message in sent)
    assert feed.readings == 120


@given(st.integers(0, 2**32))
def test_the_agents_own_decoder_reads_back_the_plants_values(seed: int) -> None:
    spec = JsonInput(topic="plant/{device}/{signal}", value="v", time=Time(path="t"))
    decode = JsonFormat(spec)
    _, values = Compressors(seed).step(1)
    for message in readings(Feed(COMPRESSORS, seed).slot()):
        found = read_topic(routes([spec]), message.topic)
        assert found is not None
        _, device, signal = found
        assert device is not None
        assert signal is not None
        [sample] = decode.read(
            Message(*message[:2]), 0, lambda code, what: pytest.fail(f"{code}: {what}")
        )
        assert isinstance(sample, Sample)
        expected = values[0, Compressors.devices.index(device), list(SIGNALS).index(signal)]
        assert sample.value == pytest.approx(expected, rel=1e-5)
        assert sample.t_ns == int(START_S) * 10**9


def test_tells_when_a_fault_begins_and_ends() -> None:
    feed = Feed(COMPRESSORS, 1, [LEAK])
    told = [labels(feed.slot()) for _ in range(8)]
    assert [label.kind for _, label in told[0]] == [None] * 4
    [(topic, begins)] = told[3]
    assert topic == "plant-labels/c-2"
    assert begins == Label(
        device="c-2",
        t=START_S + 3 * PERIOD_S,
        kind="primary seal leak",
        signals=("primary_vent_flow", "primary_vent_pressure"),
        sentence="The primary seal of c-2 leaks into the vent.",
    )
    [(_, ends)] = told[6]
    assert ends == Label(device="c-2", t=START_S + 6 * PERIOD_S)
    assert not any(told[slot] for slot in (1, 2, 4, 5, 7))


def test_labels_are_retained_for_those_who_come_later() -> None:
    feed = Feed(COMPRESSORS, 1, [LEAK])
    sent = [message for _ in range(8) for message in feed.slot()]
    assert {message.topic.split("/")[0] for message in sent if message.retain} == {"plant-labels"}
    assert sum(message.retain for message in sent) == len(labels(sent)) == 6


def test_ends_after_its_last_slot() -> None:
    wire = Paper()
    slots = list(drive(Feed(COMPRESSORS, 1), wire, Pace(6e-5), threading.Event(), until=5))
    assert slots == [0, 1, 2, 3, 4]
    assert len(readings(wire.sent)) == 200


def test_stops_while_waiting_for_the_next_slot() -> None:
    stop = threading.Event()
    slots = drive(Feed(COMPRESSORS, 1), Paper(), Pace(6e4), stop)
    assert next(slots) == 0
    threading.Timer(0.05, stop.set).start()
    assert list(slots) == []  # the next slot would be due in 17 hours


def test_does_not_run_ahead_of_a_broker_that_takes_nothing() -> None:
    wire, stop = Paper(takes=False), threading.Event()
    seen: list[int] = []
    driver = threading.Thread(
        target=lambda: seen.extend(drive(Feed(COMPRESSORS, 1), wire, Pace(6e-5), stop))
    )
    driver.start()
    assert wire.asked.wait(10)
    sent = len(wire.sent)
    assert sent == 44  # one slot: four labels and forty readings
    stop.set()
    driver.join(10)
    assert not driver.is_alive()
    assert len(wire.sent) == sent
    assert seen == []


@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_begins_where_no_reading_is_from_the_future(plant: Plant) -> None:
    half_an_hour_s = plant.speed * 1800
    assert plant.start_s + half_an_hour_s < datetime.now(UTC).timestamp()


@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_the_same_seed_sends_the_same_messages(plant: Plant) -> None:
    faults = plant.trouble(7, None)
    one, two = Feed(plant, 7, faults), Feed(plant, 7, faults)
    sent = [one.slot() for _ in range(3)]
    assert sent == [two.slot() for _ in range(3)]
    assert sent != [Feed(plant, 8, faults).slot() for _ in range(3)]
    assert one.readings > 0


def test_the_command_publishes_to_a_broker_until_its_time_is_up() -> None:
    parser = argparse.ArgumentParser()
    simulate.register(parser.add_subparsers())
    with EmbeddedBroker() as broker, peer(broker.url, "historian") as historian:
        historian.subscribe("plant/#")
        words = [
            "simulate",
            "compressors",
            "--broker",
            broker.url,
            "--for",
            "1s",
            "--speed",
            "1200",
        ]
        args = parser.parse_args([*words, "--no-faults"])
        assert args.run(args) == 0
        eventually(lambda: len(historian.messages) >= 20 * 40)
        assert len(historian.messages) == 20 * 40
        late = json.loads(historian.payloads[-1])
        assert late["t"] == START_S + 19 * PERIOD_S


def test_the_command_says_that_there_is_no_broker() -> None:
    with EmbeddedBroker() as broker:
        url = broker.url
    parser = argparse.ArgumentParser()
    simulate.register(parser.add_subparsers())
    args = parser.parse_args(["simulate", "compressors", "--broker", url])
    with pytest.raises(BrokerError, match=f"{url}: cannot connect"):
        args.run(args)


@pytest.mark.parametrize("option", [["--speed", "0"], ["--speed", "nan"], ["--for", "60"]])
def test_the_command_refuses_what_it_cannot_do(option: list[str]) -> None:
    parser = argparse.ArgumentParser()
    simulate.register(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["simulate", "compressors", "--broker", "mqtt://h", *option])
