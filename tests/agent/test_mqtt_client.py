import gc
import socket
import threading

import pytest
from brokers import Broker, eventually
from peers import peer

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.errors import BrokerError
from edge_anomaly.plants import COMPRESSORS
from edge_anomaly.simulate import Feed, Pace, drive


def test_delivers_what_others_publish_under_its_topics(broker: Broker) -> None:
    got: list[tuple[str, bytes]] = []
    with (
        PlainClient(broker.url, ["plant/#", "status"], lambda *message: got.append(message)),
        peer(broker.url, "machine") as machine,
    ):
        machine.publish("plant/c-1/x", b"1")
        machine.publish("elsewhere", b"2")
        machine.publish("status", b"3")
        eventually(lambda: len(got) == 2)
    assert got == [("plant/c-1/x", b"1"), ("status", b"3")]


def test_publishes_retained_messages_and_knows_when_they_are_taken(broker: Broker) -> None:
    with PlainClient(broker.url) as client:
        assert client.flush(0)  # nothing to wait for
        client.publish("label", b"1", retain=True)
        assert client.flush(10)
    with peer(broker.url, "late") as late:
        late.subscribe("label")
        eventually(lambda: late.payloads == [b"1"])


def open_sockets() -> set[socket.socket]:
    # Not isinstance: some objects of torch look into themselves for a class, and warn.
    every = (one for one in gc.get_objects() if issubclass(type(one), socket.socket))
    return {one for one in every if one.fileno() >= 0}


def test_leaves_no_socket_to_the_garbage_collector(broker: Broker) -> None:
    before = open_sockets()
    client = PlainClient(broker.url, ["plant/#"])
    client.connect()
    made = open_sockets() - before
    assert made
    client.close()
    assert [one for one in made if one.fileno() >= 0] == []


def test_subscribes_again_after_a_broker_restart(broker: Broker) -> None:
    got: list[bytes] = []
    with PlainClient(broker.url, ["plant/#"], lambda _topic, payload: got.append(payload)):
        broker.stop()
        broker.start()
        with peer(broker.url, "machine") as machine:

            def arrives() -> bool:
                machine.publish("plant/x", b"1")
                return bool(got)

            eventually(arrives)


def test_a_plant_outlives_its_broker(broker: Broker) -> None:
    feed, stop, seen = Feed(COMPRESSORS, 1), threading.Event(), list[int]()
    with PlainClient(broker.url) as client:
        slots = drive(feed, client, Pace(1 / 50), stop)
        plant = threading.Thread(target=lambda: seen.extend(slots))
        plant.start()
        try:
            eventually(lambda: feed.readings >= 5 * 40)
            broker.stop()
            stuck = feed.readings
            broker.start()
            eventually(lambda: feed.readings >= stuck + 10 * 40)
        finally:
            stop.set()
        plant.join(10)
        assert not plant.is_alive()
    assert seen == list(range(len(seen)))


def test_flush_tells_that_the_broker_is_away(broker: Broker) -> None:
    with PlainClient(broker.url) as client:
        broker.stop()
        client.publish("plant/x", b"1")
        assert not client.flush(0.05)


@pytest.mark.parametrize("url", ["", "localhost:1883", "ws://h", "mqtt://", "mqtt://h:99999"])
def test_refuses_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BrokerError, match=r"^a broker's address is|Port"):
        PlainClient(url)
