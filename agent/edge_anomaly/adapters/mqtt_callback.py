"""paho's client as paho means it: each message by a callback. Ten times slower than the tap.

For when the tap is in doubt: `broker.reader: callback`.
"""

from collections import Counter

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from edge_anomaly.adapters.mqtt_socket import Client
from edge_anomaly.values import Message

__all__ = ["CallbackClient"]


class CallbackClient(Client):
    """The same to its user as `TapClient`."""

    fault = ""
    unsent = 0

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, manual_ack=True, **options)  # type: ignore[arg-type, misc] # passed through
        self.inbox: list[Message] = []
        self.confirmed: list[int] = []
        self.refusals: Counter[str] = Counter()
        self.on_message = self._take
        self.on_publish = self._confirm

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge messages of the present connection."""
        for packet_id in packet_ids:
            self.ack(packet_id, 1)

    def flush(self) -> None:
        """Write what the connection takes."""
        if self.want_write():
            self.loop_write()

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        properties = message.properties
        self.inbox.append(
            Message(
                message.topic,
                bytes(message.payload),
                message.qos,
                bool(message.retain),
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", b""),
                bool(message.dup),
                message.mid,
            )
        )

    def _confirm(
        self, _client: object, _data: object, mid: int, reason: ReasonCode, _props: object
    ) -> None:
        self.confirmed.append(mid)
        if reason.is_failure:
            self.refusals[str(reason)] += 1
