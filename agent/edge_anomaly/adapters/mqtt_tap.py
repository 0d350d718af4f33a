"""paho's client with a shorter way for what comes by the thousand: PUBLISH and PUBACK.

Of each incoming message paho builds an object with a lock and a table of all properties
that MQTT knows, and it sends each acknowledgement by itself: 72 of the 101 us that a
reading at QoS 1 cost the agent. Here a message is its topic and payload, and a batch is
acknowledged in one write. All else (connecting, keep-alive, sending) is paho's.
"""

import socket
from collections.abc import Iterable
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import MessageType, MQTTErrorCode

from edge_anomaly.values import Message

__all__ = ["Descriptor", "TapClient", "send_at_once"]


class Descriptor(Protocol):
    """A socket, or paho's wrapping of one."""

    def fileno(self) -> int:
        """Of the open file."""
        ...


class TapClient(paho.Client):
    """For MQTT 5 and subscriptions at QoS 0 and 1; `on_message` is never called."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type] # passed through
        self.inbox: list[Message] = []
        self.unacknowledged: list[int] = []  # packet ids

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Send a PUBACK for each (MQTT 5, 3.4; without a reason it means success)."""
        head = bytes([MessageType.PUBACK, 2])
        packets = b"".join(head + packet_id.to_bytes(2, "big") for packet_id in packet_ids)
        if packets:
            self._packet_queue(MessageType.PUBACK, packets, 0, 1)

    def _handle_publish(self) -> MQTTErrorCode:
        """Take the PUBLISH that has been read (MQTT 5, 3.3)."""
        packet = self._in_packet["packet"]
        qos = self._in_packet["command"] >> 1 & 3
        try:
            at = 2 + int.from_bytes(packet[:2], "big")
            topic = packet[2:at].decode()
            if qos:
                packet_id = int.from_bytes(packet[at : at + 2], "big")
                at += 2
            size = shift = 0  # of the properties, a variable byte integer (1.5.5)
            while True:
                byte = packet[at]
                at += 1
                size |= (byte & 127) << shift
                if byte < 128:  # noqa: PLR2004 - the last of them has no high bit
                    break
                shift += 7
        except (IndexError, UnicodeDecodeError):
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if qos > 1 or at + size > len(packet):  # we ask for QoS 1 at most
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        if qos:
            self.unacknowledged.append(packet_id)
        self.inbox.append(Message(topic, bytes(packet[at + size :])))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


def send_at_once(sock: Descriptor) -> None:
    """Turn Nagle's algorithm off.

    With it an alarm waits behind an acknowledgement of ours until the broker's kernel has
    confirmed that, which it puts off for 40 ms.
    """
    with socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
