import socket
import time

import pytest
from brokers import Broker, eventually
from links import (
    PATIENCE_S,
    ROUND_S,
    WILL,
    attempts,
    connect,
    cut,
    gather,
    leave_waiting,
    linked,
    numbered,
    send,
)
from paho.mqtt.packettypes import PacketTypes
from peers import new_properties, peer

from edge_anomaly.adapters import mqtt
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt_socket import READ_BYTES
from edge_anomaly.memory.silence import Silence
from edge_anomaly.values import Message, Publish


def test_gives_messages_in_order_and_none_again_once_acknowledged(broker: Broker) -> None:
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        send(sender, numbered(30))
        assert gather(link, 30) == numbered(30)
        cut(link)
        connect(link, times=2)
        send(sender, [Message("plant/x", b"after")])
        assert gather(link, 1) == [Message("plant/x", b"after")]


def test_gives_again_after_a_reconnect_what_was_not_acknowledged(broker: Broker) -> None:
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        send(sender, numbered(10))
        assert leave_waiting(link, 10) == numbered(10)
        cut(link)
        assert gather(link, 10, connect(link, times=2)) == numbered(10)


def test_receives_afterwards_what_was_sent_while_it_was_away(broker: Broker) -> None:
    with linked(broker.url) as link:
        connect(link)
    with peer(broker.url, "sender") as sender:
        send(sender, numbered(300))
    with linked(broker.url) as link:
        assert gather(link, 300) == numbered(300)


def test_survives_a_restart_of_the_broker_with_every_subscription(broker: Broker) -> None:
    with linked(broker.url, [("plant/#", 1), ("yard/+/v", 0)]) as link:
        connect(link)
        broker.stop()
        eventually(lambda: link.poll(ROUND_S) == [] and not link._client.is_connected())
        broker.start()
        connect(link, times=2)
        both = [Message("plant/x", b"1"), Message("yard/pump/v", b"2")]
        with peer(broker.url, "sender") as sender:
            send(sender, both)
            assert sorted(gather(link, 2)) == both


def test_sends_after_a_restart_of_the_broker_what_was_published_meanwhile(broker: Broker) -> None:
    with linked(broker.url) as link:
        connect(link)
        broker.stop()
        eventually(lambda: link.poll(ROUND_S) == [] and not link._client.is_connected())
        alarms = [Publish("event", b"%d" % n) for n in range(50)]
        for number, alarm in enumerate(alarms):
            link.send(number, alarm)
        assert link.room == 0
        assert link.confirmed() == []
        broker.start()
        with peer(broker.url, "reader") as reader:
            reader.subscribe("event")
            connect(link, times=2)
            wanted = [alarm.payload for alarm in alarms]
            eventually(lambda: bool(link.poll(ROUND_S)) or reader.payloads == wanted)
            assert sorted(link.confirmed()) == list(range(50))


def test_takes_a_payload_of_ten_megabytes_and_the_message_behind_it(broker: Broker) -> None:
    huge = [Message("plant/huge", bytes(10_000_000)), Message("plant/next", b"1")]
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        send(sender, huge)
        assert gather(link, 2) == huge


def test_takes_no_more_bytes_at_once_than_it_has_room_for(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "BATCH_BYTES", 1 << 20)
    blocks = [Message("plant/block", bytes([n]) * 200_000) for n in range(40)]
    got: list[Message] = []
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        send(sender, blocks)

        def all_are_there() -> bool:
            time.sleep(ROUND_S)  # so that more waits than may be taken
            taken = link.poll(ROUND_S)
            link.acknowledge()
            got.extend(Message(*message[:2]) for message in taken)
            assert (
                sum(len(message.payload) for message in taken) <= (1 << 20) + READ_BYTES + 200_000
            )
            return len(got) == len(blocks)

        eventually(all_are_there, within=PATIENCE_S)
    assert got == blocks


def test_reads_the_payload_behind_properties_of_any_length(broker: Broker) -> None:
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        for size in (1, 100, 127, 128, 5000):
            properties = new_properties(PacketTypes.PUBLISH)
            properties.UserProperty = ("origin", "x" * size)
            sender.publish("plant/x", b"%d" % size, properties=properties)
            assert gather(link, 1) == [Message("plant/x", b"%d" % size)]


@pytest.mark.parametrize(
    "packet",
    [
        b"\x30\x05\x00\x02\xff\xfe\x00",  # a topic that is not UTF-8
        b"\x30\x03\x00\x02x",  # ends within the topic
        b"\x30\x04\x00\x01x\x80",  # ends within the length of the properties
        b"\x30\x04\x00\x01x\x09",  # ends before them
        b"\x34\x06\x00\x01x\x00\x01\x00",  # QoS 2, which nobody asked for
    ],
)
def test_leaves_a_broker_that_sends_nonsense(
    packet: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        linked(f"mqtt://127.0.0.1:{server.getsockname()[1]}", []) as link,
    ):
        link.poll(0)
        with server.accept()[0] as stream:
            stream.sendall(bytes([0x20, 3, 0, 0, 0]) + packet)
            eventually(
                lambda: link.poll(ROUND_S) == [] and bool(attempts(caplog, "lost: not MQTT"))
            )


def test_leaves_its_will_when_the_connection_is_cut(broker: Broker) -> None:
    with peer(broker.url, "watcher") as watcher, linked(broker.url) as link:
        watcher.subscribe(WILL.topic)
        connect(link)
        cut(link)
        eventually(lambda: watcher.payloads == [WILL.payload], within=PATIENCE_S)
    with peer(broker.url, "late") as late:
        late.subscribe(WILL.topic)
        eventually(lambda: late.payloads == [WILL.payload])
        assert late.messages[0].retain


def test_a_clean_close_sends_everything_and_leaves_no_will(broker: Broker) -> None:
    with peer(broker.url, "watcher") as watcher:
        watcher.subscribe("agent/#")
        with linked(broker.url) as link:
            connect(link)
            alarms = [Publish("agent/event", b"%d" % n) for n in range(200)]
            for number, alarm in enumerate(alarms):
                link.send(number, alarm)
            link.close([Publish(WILL.topic, b"stopped", retain=True)])
            assert not link._client.is_connected()
        watcher.publish("agent/end", b"")  # a will would have come before it
        wanted = [*(alarm.payload for alarm in alarms), b"stopped", b""]
        eventually(lambda: watcher.payloads == wanted)


def test_the_callback_way_gives_and_acknowledges_the_same(broker: Broker) -> None:
    properties = new_properties(PacketTypes.PUBLISH)
    properties.ResponseTopic, properties.CorrelationData = "reply", b"\x01"
    seen = []
    for reader in ("tap", "callback"):
        with linked(broker.url, reader=reader) as link, peer(broker.url, "sender") as sender:
            connect(link)
            sender.publish("plant/x", b"1", properties=properties)
            got: list[Message] = []
            eventually(lambda link=link, got=got: bool(got.extend(link.poll(ROUND_S)) or got))  # type: ignore[misc] # bound at once
            link.acknowledge()
            link.send(3, Publish("event", b"1"))
            eventually(lambda link=link: bool(link.poll(ROUND_S)) or link.confirmed() == [3])  # type: ignore[misc] # likewise
            cut(link)
            assert connect(link, times=2) == []  # nothing comes again
            seen.append([one._replace(packet_id=0) for one in got])
    assert seen[0] == seen[1] == [Message("plant/x", b"1", 1, False, "reply", b"\x01")]  # noqa: FBT003 - as it is read


def test_subscriptions_of_an_earlier_config_are_ended(broker: Broker) -> None:
    with linked(broker.url, [("plant/#", 1), ("yard/#", 1)]) as link:
        connect(link)
        assert link.filters == ["plant/#", "yard/#"]
    with (
        linked(broker.url, stale=["plant/#", "yard/#"]) as link,
        peer(broker.url, "sender") as sender,
    ):
        connect(link)
        assert link.filters == ["plant/#", "yard/#"]  # until the broker has said so
        if isinstance(broker, EmbeddedBroker):
            return  # rumqttd 0.4 takes no notice of UNSUBSCRIBE
        eventually(lambda: link.poll(ROUND_S) == [] and link.filters == ["plant/#"])
        send(sender, [Message("yard/x", b"1"), Message("plant/x", b"2")])
        assert gather(link, 1) == [Message("plant/x", b"2")]


def test_a_connection_that_has_gone_deaf_is_mended(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Silence.__init__, "__defaults__", (0.5,))
    with linked(broker.url) as link, peer(broker.url, "sender") as sender:
        connect(link)
        for number in range(15):
            send(sender, [Message("plant/x", b"%d" % number)])
            gather(link, 1)
        link._client.unsubscribe("plant/#")  # as a broker does that has forgotten
        eventually(
            lambda: link.poll(ROUND_S) == [] and bool(attempts(caplog, "subscribe again")),
            within=PATIENCE_S,
        )
        assert link.silent == ["plant/#"]
        eventually(lambda: link.poll(ROUND_S) == [] and not link._asked)
        send(sender, [Message("plant/x", b"heard")])
        assert gather(link, 1) == [Message("plant/x", b"heard")]
        assert link.silent == []
        eventually(
            lambda: link.poll(ROUND_S) == [] and bool(attempts(caplog, "reconnect again")),
            within=PATIENCE_S,
        )
        connect(link, times=2)
        send(sender, [Message("plant/x", b"still")])
        assert gather(link, 1) == [Message("plant/x", b"still")]
