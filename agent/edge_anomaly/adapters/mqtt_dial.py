"""How a paho client is made for a broker of the config: who we are, TLS, session, will."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_anomaly.adapters.mqtt_callback import CallbackClient
from edge_anomaly.adapters.mqtt_socket import TapClient, send_at_once
from edge_anomaly.files.config import Broker, Tls
from edge_anomaly.values import Publish

__all__ = ["V3", "V5", "Identity", "new_client"]

RECEIVE_MAXIMUM = 4000  # messages of QoS 1 under way and not yet acknowledged
PACKET_BYTES = 16 << 20  # the largest that a broker may send us
V3, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5


@dataclass(frozen=True)
class Identity:
    """Who we are to the broker."""

    client_id: str  # by which it knows our session
    will: Publish  # what it shall say when we are gone without a word
    password: str | None = None  # of the config's user


def new_client(
    broker: Broker, identity: Identity, protocol: MQTTProtocolVersion
) -> TapClient | CallbackClient:
    """A client that has yet to connect; its session is kept by the broker."""
    url = urlsplit(broker.url)
    kind = TapClient if broker.reader == "tap" else CallbackClient
    client = kind(
        CallbackAPIVersion.VERSION2,
        client_id=identity.client_id,
        protocol=protocol,
        transport="websockets" if url.scheme in {"ws", "wss"} else "tcp",
        reconnect_on_failure=False,
        **({} if protocol == V5 else {"clean_session": False}),
    )
    if url.scheme in {"ws", "wss"}:
        client.ws_set_options(path=url.path or "/mqtt")
    if url.scheme in {"mqtts", "wss"}:
        tls = broker.tls or Tls()
        client.tls_set(ca_certs=tls.ca, certfile=tls.certificate, keyfile=tls.key)
    if broker.username:
        client.username_pw_set(broker.username, identity.password)
    will = identity.will
    client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
    options: dict[str, Any] = {}
    if protocol == V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
        properties.SessionExpiryInterval = min(broker.session_expiry // 10**9, 2**32 - 2)
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = PACKET_BYTES
        options = {"clean_start": False, "properties": properties}
    host, port = broker.address
    client.connect_async(host, port, keepalive=max(1, broker.keepalive // 10**9), **options)
    client.on_socket_open = lambda _client, _data, sock: send_at_once(sock)
    return client
