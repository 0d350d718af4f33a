"""How the link comes in: refused, thrown out, unanswered, and in which version."""

import logging
import re
import socket
import time
from pathlib import Path

import msgspec
import pytest
from brokers import Broker, eventually, free_port, make_mosquitto
from links import (
    PATIENCE_S,
    ROUND_S,
    SLACK_S,
    attempts,
    connect,
    cut,
    gather,
    leave_waiting,
    linked,
    numbered,
    send,
)
from paho.mqtt.enums import MQTTProtocolVersion
from peers import peer

from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt import MqttLink
from edge_anomaly.errors import BrokerError
from edge_anomaly.values import Publish


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


def test_hangs_up_on_a_broker_that_has_not_answered_when_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(PATIENCE_S)
        with linked(f"mqtt://127.0.0.1:{deaf.getsockname()[1]}") as link:
            link.poll(0)
            stream, _ = deaf.accept()
        with stream:
            stream.settimeout(PATIENCE_S)
            while stream.recv(1000):  # its CONNECT, then the end
                pass
        assert link._client.socket() is None


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
