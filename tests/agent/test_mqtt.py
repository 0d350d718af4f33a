import logging
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import Broker, eventually, free_port, make_mosquitto
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from peers import Peer, new_properties, peer

from edge_anomaly.adapters import mqtt
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt import MqttLink
from edge_anomaly.adapters.mqtt_dial import Identity
from edge_anomaly.adapters.mqtt_socket import READ_BYTES
from edge_anomaly.errors import BrokerError
from edge_anomaly.files.config import Broker as Settings
from edge_anomaly.files.config import Duration
from edge_anomaly.memory.silence import Silence
from edge_anomaly.values import Message, Publish

PATIENCE_S = 20.0
READINGS = (("plant/#", 1),)
WILL = Publish("agent/status", b"offline", retain=True)
ROUND_S = 0.05
SLACK_S = 1.0  # a shared machine may leave us waiting; far below any timeout of paho's


@contextmanager
def linked(
    url: str,
    filters: Sequence[tuple[str, int]] = READINGS,
    *,
    keepalive: str = "15s",
    username: str | None = None,
    stale: Sequence[str] = (),
    **options: Any,
) -> Iterator[MqttLink]:
    link = MqttLink(
        Settings(url=url, username=username, keepalive=Duration.read(keepalive), **options),
        Identity("agent", WILL, None if username is None else "secret"),
        filters,
        stale=stale,
        watched=[name for name, _ in filters],
    )
    try:
        yield link
    finally:
        link.close([])


def connect(link: MqttLink, times: int = 1) -> list[Message]:
    """Poll until the connection with this number stands and its subscriptions are granted.

    Returns topic and payload of what has arrived meanwhile.
    """
    got: list[Message] = []

    def ready() -> bool:
        got.extend(Message(*message[:2]) for message in link.poll(ROUND_S))
        return link.connections == times and not link._asked

    eventually(ready, within=PATIENCE_S)
    return got


def gather(link: MqttLink, count: int, got: Sequence[Message] = ()) -> list[Message]:
    """Topic and payload of `got` and the next messages, at least `count`, all acknowledged."""
    all_of_them = [*got]

    def enough() -> bool:
        all_of_them.extend(Message(*message[:2]) for message in link.poll(ROUND_S))
        link.acknowledge()
        return len(all_of_them) >= count

    eventually(enough, within=PATIENCE_S)
    return all_of_them


def leave_waiting(link: MqttLink, count: int) -> list[Message]:
    """The next `count` messages, none acknowledged."""
    got: list[Message] = []

    def enough() -> bool:
        got.extend(Message(*message[:2]) for message in link.poll(ROUND_S))
        return len(got) >= count

    eventually(enough, within=PATIENCE_S)
    return got


def cut(link: MqttLink) -> None:
    """Lose the connection as a cable does: without a word of MQTT."""
    sock = link._client.socket()
    assert sock is not None
    with socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.shutdown(socket.SHUT_RDWR)


def numbered(count: int) -> list[Message]:
    return [Message("plant/x", b"%d" % n) for n in range(count)]


def send(sender: Peer, messages: list[Message]) -> None:
    for topic, payload, *_ in messages:
        sender.publish(topic, payload)


def attempts(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if text in record.getMessage()]


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


def test_says_which_subscription_the_broker_refuses(tmp_path: Path) -> None:
    # An acl_file filters what is delivered and grants every subscription; the plugin refuses.
    rules = {
        "defaultACLAccess": {
            "publishClientSend": True,
            "publishClientReceive": True,
            "subscribe": False,
            "unsubscribe": True,
        },
        "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": [{"rolename": "reader"}]}],
        "roles": [
            {
                "rolename": "reader",
                "acls": [{"acltype": "subscribePattern", "topic": "plant/#", "allow": True}],
            }
        ],
        "clients": [],
    }
    (tmp_path / "rules.json").write_bytes(msgspec.json.encode(rules))
    plugin = next(Path("/usr").glob("lib*/*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        pytest.skip("mosquitto's dynamic security plugin is not installed")
    broker = make_mosquitto(
        tmp_path,
        f"allow_anonymous true\nplugin {plugin}\nplugin_opt_config_file {tmp_path / 'rules.json'}",
    )
    broker.start()
    try:
        with (
            linked(broker.url, [("plant/#", 1), ("yard/#", 1)]) as link,
            pytest.raises(BrokerError, match=r"refuses the subscription yard/#: Not authorized"),
        ):
            connect(link)
    finally:
        broker.stop()


def test_asks_again_until_its_password_is_accepted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "passwords").touch()
    broker = make_mosquitto(
        tmp_path, f"allow_anonymous false\npassword_file {tmp_path / 'passwords'}"
    )
    broker.start()
    try:
        with linked(broker.url, username="gw-01") as link:
            refusals = "refuses the connection: Not authorized"
            eventually(
                lambda: link.poll(ROUND_S) == [] and len(attempts(caplog, refusals)) == 2,
                within=PATIENCE_S,
            )
            assert link.connections == 0
            broker.stop()
            broker.settings = "allow_anonymous true"
            broker.start()
            connect(link)
    finally:
        broker.stop()


def test_asks_whether_another_client_has_its_id_when_it_is_thrown_out_again_and_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with linked(broker.url) as link:
        connect(link)
        for times in range(2, 5):
            with peer(broker.url, "agent"):
                eventually(lambda: link.poll(ROUND_S) == [] and not link._client.is_connected())
            connect(link, times)
        [told] = attempts(caplog, "does another client use the id 'agent'?")
        assert told.startswith("3 connections in a row")
        assert link._pause_s >= 4.0  # two agents of one name do not keep the broker busy


def test_gives_up_when_the_broker_says_that_another_client_has_its_id() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        linked(f"mqtt://127.0.0.1:{server.getsockname()[1]}", []) as link,
    ):
        link.poll(0)
        with server.accept()[0] as stream:
            stream.sendall(bytes([0x20, 3, 0, 0, 0]) + bytes([0xE0, 1, 0x8E]))
            with pytest.raises(BrokerError, match="another client has taken the id 'agent'"):
                eventually(lambda: bool(link.poll(ROUND_S)), within=PATIENCE_S)


def test_tries_again_with_longer_pauses_and_never_overstays_a_poll(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with linked(f"mqtt://127.0.0.1:{free_port()}") as link:
        polls: list[float] = []

        def tried_three_times() -> bool:
            began = time.monotonic()
            assert link.poll(ROUND_S) == []
            polls.append(time.monotonic() - began)
            return len(attempts(caplog, "cannot reach")) == 3

        eventually(tried_three_times, within=PATIENCE_S)
        pauses = [re.findall(r"again in (\S+) s", text) for text in attempts(caplog, "cannot")]
        assert [round(float(pause), 1) for [pause] in pauses] == [0.5, 1.0, 2.0]
        assert max(polls) < ROUND_S + SLACK_S
        assert len(polls) < 100  # it waits, it does not spin
        link.send(1, Publish("event", b"kept"))  # raises nothing
        link.publish([Publish("score", b"lost", qos=0)])
        link.close([Publish("event", b"lost")])  # returns, though nobody can be told


def test_leaves_a_broker_that_accepts_and_never_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(PATIENCE_S)
        with linked(f"mqtt://127.0.0.1:{deaf.getsockname()[1]}", keepalive="1s") as link:
            eventually(
                lambda: link.poll(ROUND_S) == [] and bool(attempts(caplog, "lost: Keep alive")),
                within=PATIENCE_S,
            )
            deaf.accept()[0].close()
            eventually(
                lambda: link.poll(ROUND_S) == [] and link._client.socket() is not None,
                within=PATIENCE_S,
            )
            deaf.accept()[0].close()  # it has come back
        assert link.connections == 0


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


def speaking(link: MqttLink) -> str:
    return "5" if link._client.protocol == MQTTProtocolVersion.MQTTv5 else "3.1.1"


def test_speaks_3_1_1_where_the_broker_knows_no_5(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedBroker() as broker, linked(broker.url_v4) as link:
        connect(link)
        assert speaking(link) == "3.1.1"
        assert attempts(caplog, "trying MQTT 3.1.1")
        with peer(broker.url_v4, "sender", protocol=MQTTProtocolVersion.MQTTv311) as sender:
            send(sender, numbered(30))
            assert leave_waiting(link, 30) == numbered(30)
            cut(link)
            got = connect(link, times=2)  # the session is kept in 3.1.1 too
            assert gather(link, 30, got) == numbered(30)
            sender.subscribe("event")
            link.send(7, Publish("event", b"1", correlation=b"has no place here"))
            eventually(lambda: bool(link.poll(ROUND_S)) or sender.payloads == [b"1"])
            eventually(lambda: bool(link.poll(ROUND_S)) or link.confirmed() == [7])


def test_comes_back_to_5_when_that_is_what_the_broker_speaks(broker: Broker) -> None:
    with linked(broker.url) as link:
        link._other_protocol()
        link._client = link._new_client()
        assert speaking(link) == "3.1.1"
        if broker.url.startswith("mqtt") and isinstance(broker, EmbeddedBroker):
            connect(link)  # whose port for 5 knows nothing else
            assert speaking(link) == "5"
        else:
            connect(link)
            assert speaking(link) == "3.1.1"  # mosquitto speaks both


def test_a_config_that_names_the_version_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedBroker() as broker, linked(broker.url_v4, protocol="5") as link:
        eventually(
            lambda: link.poll(ROUND_S) == [] and len(attempts(caplog, "lost")) >= 3,
            within=PATIENCE_S,
        )
        assert speaking(link) == "5"
    with EmbeddedBroker() as broker, linked(broker.url_v4, protocol="3.1.1") as link:
        connect(link)
        assert speaking(link) == "3.1.1"


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
