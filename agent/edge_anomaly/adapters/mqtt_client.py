"""A small MQTT 5 client for those beside the agent: the simulated plant and onlookers."""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_anomaly.adapters.mqtt_socket import Client, send_at_once
from edge_anomaly.errors import BrokerError

__all__ = ["OnMessage", "PlainClient"]

CONNECT_S = 10.0
INFLIGHT = 200
PORTS = {"mqtt": 1883, "mqtts": 8883}

OnMessage = Callable[[str, bytes], None]  # topic, payload; called in the client's thread


class PlainClient:
    """Connects in the background, comes back after a loss, and subscribes each time anew."""

    def __init__(
        self,
        url: str,
        topics: Sequence[str] = (),
        on_message: OnMessage | None = None,
    ) -> None:
        """Make ready; `connect` connects.

        Args:
            url: mqtt://HOST[:PORT], or mqtts:// for TLS with the system's authorities.
            topics: To subscribe to, at QoS 1.
            on_message: What to do with each message.

        Raises:
            BrokerError: The address cannot be one.
        """
        self._url = url
        try:
            parts = urlsplit(url)
            self._port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError as exc:
            raise BrokerError(f"{url}: {exc}") from exc
        self._host = parts.hostname or ""
        if not self._port or not self._host:
            raise BrokerError(f"a broker's address is mqtt://HOST[:PORT] or mqtts://..., got {url}")
        self._topics = list(topics)
        self._ready = threading.Event()
        self._refusal = ""
        # Counted here: paho's own handle of a message that was queued while the broker was
        # away never says that it was sent after all.
        self._open = 0
        self._acknowledged = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.max_inflight_messages = INFLIGHT
        self._client.on_socket_open = lambda _client, _data, sock: send_at_once(sock)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        if on_message is not None:
            self._client.on_message = lambda _client, _data, message: on_message(
                message.topic, bytes(message.payload)
            )
        if parts.scheme == "mqtts":
            self._client.tls_set()

    def connect(self) -> None:
        """Connect and subscribe.

        Raises:
            BrokerError: There is no broker, or it refuses.
        """
        try:
            # A clean start each time, also when paho comes back by itself: by default only its
            # first is clean, and brokers refuse to resume a session without a client id.
            self._client.connect(self._host, self._port, keepalive=15, clean_start=True)
        except (OSError, ValueError) as exc:
            raise BrokerError(f"{self._url}: cannot connect: {exc}") from exc
        self._client.loop_start()
        if not self._ready.wait(CONNECT_S) or self._refusal:
            self.close()
            raise BrokerError(f"{self._url}: {self._refusal or 'no answer'}")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Queue a message at QoS 1; it is sent as soon as the broker takes it."""
        with self._acknowledged:
            self._open += 1
        self._client.publish(topic, payload, qos=1, retain=retain)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has taken all messages; False when it has not in time."""
        with self._acknowledged:
            return self._acknowledged.wait_for(lambda: not self._open, timeout_s)

    def close(self) -> None:
        """Disconnect and end the client's thread."""
        self._client.disconnect()
        self._client.loop_stop()
        self._client.hang_up()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        *_: object,
    ) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses us: {reason}"
            self._ready.set()
        elif self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])
        else:
            self._ready.set()

    def _on_subscribe(
        self, _client: object, _data: object, _mid: int, codes: list[ReasonCode], *_: object
    ) -> None:
        refused = [t for t, code in zip(self._topics, codes, strict=False) if code.is_failure]
        if refused:
            self._refusal = f"the broker refuses to send us {', '.join(refused)}"
        self._ready.set()

    def _on_publish(self, *_: object) -> None:
        with self._acknowledged:
            self._open -= 1
            self._acknowledged.notify_all()
