"""The agent's link to a real broker, and what a test does with it."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from brokers import eventually
from peers import Peer

from edge_anomaly.adapters.mqtt import MqttLink
from edge_anomaly.adapters.mqtt_dial import Identity
from edge_anomaly.files.config import Broker as Settings
from edge_anomaly.files.config import Duration
from edge_anomaly.values import Message, Publish

__all__ = [
    "PATIENCE_S",
    "READINGS",
    "ROUND_S",
    "SLACK_S",
    "WILL",
    "attempts",
    "connect",
    "cut",
    "gather",
    "leave_waiting",
    "linked",
    "numbered",
    "send",
]

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
