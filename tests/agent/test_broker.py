import importlib.util
import os
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from brokers import Broker, eventually
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from peers import WAIT_S, Peer, new_properties, peer

from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.errors import BrokerError


def test_keeps_retained_messages_for_late_joiners(broker: Broker) -> None:
    with peer(broker.url, "early") as early, peer(broker.url, "late") as late:
        early.publish("plant/state", b"running", retain=True)
        late.subscribe("plant/#")
        eventually(lambda: late.payloads == [b"running"])
        assert late.messages[0].retain


def test_queues_for_a_session_that_is_away(broker: Broker) -> None:
    with peer(broker.url, "away", session_s=600) as away:
        away.subscribe("plant/#")
    expected = [f"{n}".encode() for n in range(500)]
    with peer(broker.url, "sender") as sender:
        for payload in expected:
            sender.publish("plant/reading", payload)
    with peer(broker.url, "away", session_s=600) as away:
        eventually(lambda: len(away.messages) >= len(expected))
        assert away.session_present
        assert away.payloads == expected


def test_publishes_the_will_of_a_client_that_dies(broker: Broker) -> None:
    with peer(broker.url, "watcher") as watcher:
        watcher.subscribe("status")
        dying = Peer(broker.url, "dying")
        dying.client.will_set("status", b"offline", qos=1)
        dying.connect()
        dying.client.loop_stop()
        sock = dying.client.socket()
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)
        eventually(lambda: watcher.payloads == [b"offline"])
        dying.close()


def test_carries_user_properties(broker: Broker) -> None:
    with peer(broker.url, "reader") as reader, peer(broker.url, "writer") as writer:
        reader.subscribe("event")
        properties = new_properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("schema", "edge-agent.event/1")
        writer.publish("event", b"{}", properties=properties)
        eventually(lambda: len(reader.messages) == 1)
        received = reader.messages[0].properties
        assert received is not None
        assert vars(received)["UserProperty"] == [("schema", "edge-agent.event/1")]


def test_passes_a_payload_of_ten_megabytes(broker: Broker) -> None:
    with peer(broker.url, "reader") as reader, peer(broker.url, "writer") as writer:
        reader.subscribe("plant/#")
        payload = os.urandom(10_000_000)
        writer.publish("plant/huge", payload)
        writer.publish("plant/next", b"1")
        eventually(lambda: reader.payloads == [payload, b"1"])


def test_restarts_on_the_same_port(broker: Broker) -> None:
    url, first = broker.url, broker.pid
    with peer(url, "steady") as steady:
        lost = threading.Event()
        steady.client.on_disconnect = lambda *_: lost.set()
        broker.stop()
        assert lost.wait(WAIT_S)
        broker.start()
        assert broker.url == url
        assert broker.pid != first
        with peer(url, "next") as following:
            following.subscribe("plant/#")
            following.publish("plant/x", b"1")
            eventually(lambda: following.payloads == [b"1"])


def test_speaks_both_versions_of_mqtt_over_one_set_of_topics() -> None:
    with (
        EmbeddedBroker() as broker,
        peer(broker.url_v4, "old", protocol=MQTTProtocolVersion.MQTTv311) as old,
        peer(broker.url, "new") as new,
    ):
        old.subscribe("plant/#")
        new.subscribe("plant/#")
        new.publish("plant/x", b"from 5")
        eventually(lambda: old.payloads == new.payloads == [b"from 5"])
        old.publish("plant/x", b"from 3.1.1")
        eventually(lambda: old.payloads == new.payloads == [b"from 5", b"from 3.1.1"])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_listens_on_loopback_only() -> None:
    with EmbeddedBroker() as broker:
        addresses = _listening_addresses(broker.pid)
        ports = {urlsplit(url).port for url in (broker.url, broker.url_v4)}
        assert {port for _, port in addresses} == ports
        assert {host for host, _ in addresses} == {"127.0.0.1"}


def test_stopping_ends_its_process_and_frees_the_port() -> None:
    with EmbeddedBroker() as broker:
        url, pid = urlsplit(broker.url), broker.pid
        assert pid is not None
    assert broker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((url.hostname or "", url.port or 0), timeout=1)
    broker.stop()  # a second time does nothing


def test_refuses_to_share_its_port() -> None:
    with EmbeddedBroker() as broker:
        port = urlsplit(broker.url).port or 0
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with pytest.raises(BrokerError, match="already in use"):
            broker.start()
        assert broker.pid is None


def test_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BrokerError, match=r"pip install 'edge-anomaly-agent\[demo\]'"):
        EmbeddedBroker().start()


def test_has_no_address_before_its_first_start() -> None:
    with pytest.raises(BrokerError, match="not been started"):
        EmbeddedBroker().url  # noqa: B018 - reading it is the test


def _listening_addresses(pid: int | None) -> set[tuple[str, int]]:
    """Addresses on which process `pid` accepts TCP connections."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target.removeprefix("socket:[").rstrip("]"))
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # LISTEN
                host, port = fields[1].split(":")
                raw = b"".join(bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
                found.add((socket.inet_ntop(family, raw), int(port, 16)))
    return found
