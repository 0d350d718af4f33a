"""A paho client for tests: what any consumer or device on the plant's broker would be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

__all__ = ["WAIT_S", "Peer", "new_properties", "peer"]

WAIT_S = 10.0


def new_properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call] # paho leaves it untyped


class Peer:
    """A paho client that keeps what arrives."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        session_s: int = 0,
    ) -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=protocol,
        )
        self.messages: list[mqtt.MQTTMessage] = []
        self.session_present = False
        self._address = urlsplit(url)
        self._session_s = session_s
        self._connected = threading.Event()
        self._subscribed = threading.Event()
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = lambda _client, _data, message: self.messages.append(message)

    @property
    def payloads(self) -> list[bytes]:
        return [bytes(message.payload) for message in self.messages]

    def connect(self) -> None:
        properties = None
        if self._session_s:
            properties = new_properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = self._session_s
        host, port = self._address.hostname, self._address.port
        assert host is not None
        assert port is not None
        if self.client.protocol == MQTTProtocolVersion.MQTTv5:
            self.client.connect(host, port, clean_start=not self._session_s, properties=properties)
        else:
            self.client.connect(host, port)
        self.client.loop_start()
        assert self._connected.wait(WAIT_S)

    def subscribe(self, topic: str, qos: int = 1) -> None:
        self._subscribed.clear()
        self.client.subscribe(topic, qos)
        assert self._subscribed.wait(WAIT_S)

    def publish(self, topic: str, payload: bytes, **options: object) -> None:
        info = self.client.publish(topic, payload, qos=1, **options)  # type: ignore[arg-type] # retain and properties pass through
        info.wait_for_publish(WAIT_S)
        assert info.is_published()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()  # paho leaves that to the garbage collector

    def _on_connect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.ConnectFlags, *_: object
    ) -> None:
        self.session_present = flags.session_present
        self._connected.set()


@contextmanager
def peer(
    url: str,
    name: str,
    *,
    protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
    session_s: int = 0,
) -> Iterator[Peer]:
    one = Peer(url, name, protocol=protocol, session_s=session_s)
    one.connect()
    try:
        yield one
    finally:
        one.close()
