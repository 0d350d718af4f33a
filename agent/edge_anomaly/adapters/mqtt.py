"""The broker, over MQTT 5 or 3.1.1, with paho.

Without threads: whoever drives the agent calls `poll`, which is also where packets are
sent, pings go out and a lost connection is mended. A backlog therefore waits at the
broker, which is told how much may be on its way (receive maximum), not in our memory.
"""

import logging
import time
from collections.abc import Collection, Iterable, Sequence

import paho.mqtt.client as paho
from paho.mqtt.client import topic_matches_sub
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_anomaly.adapters.mqtt_callback import CallbackClient
from edge_anomaly.adapters.mqtt_dial import V3, V5, Identity, new_client
from edge_anomaly.adapters.mqtt_socket import TapClient
from edge_anomaly.errors import BrokerError
from edge_anomaly.files.config import Broker
from edge_anomaly.memory.silence import Silence, Step
from edge_anomaly.values import Message, Publish

__all__ = ["MqttLink"]

log = logging.getLogger(__name__)

BATCH = 2000  # messages after which no more are read before these are worked on
BATCH_BYTES = 16 << 20  # likewise: of their payloads
SLOW_S = 0.005  # until the next attempt to write to a broker that takes no more
UNDER_WAY = 20  # of ours that the broker has not confirmed; mosquitto allows no more
SLOW_BYTES = 1 << 18  # that wait for the broker; then nothing of QoS 0 joins them
BACKOFF_S = (0.5, 30.0)  # first and longest pause between attempts to connect
STEADY_S = 10.0  # a connection that lasted this long was no failed attempt
FIGHT = 3  # connections in a row that did not: somebody ends them
HUNG_UP = 2  # attempts in a row that a broker ended without an answer
TOPICS = 100_000  # whose filters are remembered
SESSION_TAKEN_OVER = 0x8E  # MQTT 5, 3.14.2.1


class MqttLink:
    """A connection that keeps itself alive, as a `Link`."""

    def __init__(
        self,
        broker: Broker,
        identity: Identity,
        subscriptions: Sequence[tuple[str, int]],
        *,
        stale: Iterable[str] = (),
        watched: Iterable[str] = (),
    ) -> None:
        """Prepare; the first `poll` connects.

        Args:
            broker: Where, and how.
            identity: Who we are.
            subscriptions: Filter and QoS.
            stale: Filters of an earlier config, which the session may still hold.
            watched: Those of `subscriptions` on which silence is suspicious.
        """
        self.connections = 0  # made so far; each is to be greeted with what is retained
        self._broker = broker
        self._identity = identity
        self._subscriptions = subscriptions
        self.resumed = False  # the broker knew our session at the last connection
        self._allowed = UNDER_WAY
        self._under_way: dict[int, int] = {}  # paho's packet id: our number
        self._open: list[int] = []  # packet ids that wait to be acknowledged
        self._asked: dict[int, str] = {}  # packet id: topic filter that awaits its SUBACK
        self._stale = set(stale) - {name for name, _ in subscriptions}
        self._dropped: dict[int, str] = {}  # packet id: filter that awaits its UNSUBACK
        self._silence = Silence(watched)
        self._filters_of: dict[str, list[str]] = {}  # watched filters by topic
        self._refused: str | None = None
        self._pause_s = BACKOFF_S[0]
        self._next_attempt = 0.0
        self._connected_at: float | None = None
        self._short = 0  # connections in a row that did not last
        self._host, self._port = broker.address
        self._protocol = V3 if broker.protocol == "3.1.1" else V5
        self._unanswered = 0  # attempts in a row that got no answer
        self._client = self._new_client()

    @property
    def connected(self) -> bool:
        """Whether the broker can reach us now."""
        return self._client.is_connected()

    @property
    def filters(self) -> list[str]:
        """All that the broker may hold subscriptions for under our id."""
        return sorted({name for name, _ in self._subscriptions} | self._stale)

    @property
    def silent(self) -> list[str]:
        """Filters on which something should have come by now."""
        return self._silence.silent

    @property
    def room(self) -> int:
        """How many more messages of QoS 1 may be under way."""
        return self._allowed - len(self._under_way) if self._client.is_connected() else 0

    @property
    def under_way(self) -> Collection[int]:
        """Numbers of what is sent, and sent again, until the broker confirms it."""
        return self._under_way.values()

    @property
    def slow(self) -> bool:
        """Whether so much waits for the broker that nothing of QoS 0 should join it."""
        return self._client.unsent > SLOW_BYTES

    def poll(self, timeout_s: float) -> list[Message]:
        """Messages that have arrived; waits for the first up to `timeout_s`.

        At most `BATCH` and what one read adds; the rest waits at the broker.

        Raises:
            BrokerError: The broker refuses a subscription, or another client has our id.
        """
        if self._client.socket() is None and not self._connect(timeout_s):
            return []
        inbox = self._client.inbox
        # What the connection did not take waits for it to be writable; paho looks at its own.
        self._client.loop(min(timeout_s, SLOW_S) if self._client.unsent else timeout_s)
        before, size = 0, 0
        while before < len(inbox) < BATCH:
            size += sum(len(message.payload) for message in inbox[before:])
            if size >= BATCH_BYTES:
                break
            before = len(inbox)
            self._client.loop_read()
        self._client.flush()
        if self._refused:
            raise BrokerError(self._refused)
        taken = inbox.copy()
        inbox.clear()
        self._open += [message.packet_id for message in taken if message.qos]
        self._watch(taken)
        return taken

    def acknowledge(self) -> None:
        """Tell the broker that what `poll` gave so far need not be kept."""
        self._client.acknowledge(self._open)
        self._client.flush()
        self._open.clear()

    def subscribe(self, subscriptions: Sequence[tuple[str, int]], watched: Iterable[str]) -> None:
        """Have these from now on, filter and QoS, and no others; silence on `watched` counts."""
        before, self._subscriptions = dict(self._subscriptions), subscriptions
        wanted = dict(subscriptions)
        self._stale = (self._stale | before.keys()) - wanted.keys()
        self._silence = Silence(watched)
        self._filters_of.clear()
        if self._client.is_connected():
            for topic, qos in wanted.items() - before.items():
                self._subscribe(topic, qos)
            self._unsubscribe()

    def publish(self, items: Iterable[Publish]) -> None:
        """Send at QoS 0; lost where the connection is."""
        if self._client.is_connected():
            for item in items:
                self._send(item)
            self._client.flush()

    def send(self, number: int, item: Publish) -> None:
        """Send at QoS 1; paho does it again after a loss of the connection."""
        self._under_way[self._send(item).mid] = number
        self._client.flush()

    def confirmed(self) -> list[int]:
        """Numbers of what the broker has taken since the last call."""
        client = self._client
        done = [self._under_way.pop(mid) for mid in client.confirmed if mid in self._under_way]
        client.confirmed.clear()
        if client.refusals:
            log.error("the broker does not take what we say: %s", dict(client.refusals))
            client.refusals.clear()
        return done

    def close(self, last_words: Iterable[Publish], timeout_s: float = 5.0) -> None:
        """Send what is still to be sent, then disconnect without the will."""
        try:
            if self._client.is_connected():
                self._part(last_words, time.monotonic() + timeout_s)
        finally:
            self._client.hang_up()

    def _part(self, last_words: Iterable[Publish], deadline: float) -> None:
        """Send what is to be said, wait for its confirmation, disconnect."""
        for item in last_words:
            if item.qos:
                self.send(0, item)
            else:
                self.publish([item])
        while not self._under_way.keys() <= {*self._client.confirmed} and (
            time.monotonic() < deadline
        ):
            self._client.flush()
            if self._client.loop(0.05) != paho.MQTT_ERR_SUCCESS:
                return
        self._client.disconnect()
        while self._client.loop(0.05) == paho.MQTT_ERR_SUCCESS and time.monotonic() < deadline:
            pass  # until the word is out, which closes the socket, or nobody can hear it

    def _send(self, item: Publish) -> paho.MQTTMessageInfo:
        topic, payload, qos, retain, correlation, expiry_s = item
        properties = None
        if (correlation or expiry_s) and self._client.protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's
            if correlation:
                properties.CorrelationData = correlation
            if expiry_s:
                properties.MessageExpiryInterval = expiry_s
        return self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)

    def _connect(self, timeout_s: float) -> bool:
        """Begin a connection, unless the last attempt was just now."""
        wait_s = self._next_attempt - time.monotonic()
        if wait_s > 0:
            time.sleep(min(wait_s, timeout_s))
            return False
        self._open.clear()  # the broker delivers again what was not acknowledged
        if self._client.protocol != self._protocol:
            self._client = self._new_client()
        self._next_attempt = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, BACKOFF_S[1])
        try:
            self._client.reconnect()
        except (OSError, ValueError) as exc:
            log.warning(
                "cannot reach %s:%d: %s; again in %.3g s",
                self._host, self._port, exc, self._next_attempt - time.monotonic(),
            )  # fmt: skip
            return False
        return True

    def _new_client(self) -> TapClient | CallbackClient:
        client = new_client(self._broker, self._identity, self._protocol)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_disconnect = self._on_disconnect
        self._under_way.clear()  # what another client had to send it does not know
        return client

    def _watch(self, taken: list[Message]) -> None:
        """Do something about a silence where messages used to come."""
        now_s = time.monotonic()
        known = self._filters_of
        heard: set[str] = set()
        for topic in {message.topic for message in taken}:
            if topic not in known:
                if len(known) >= TOPICS:
                    known.clear()
                known[topic] = [f for f in self._silence.names if topic_matches_sub(f, topic)]
            heard.update(known[topic])
        self._silence.hear(heard, now_s)
        if not self._client.is_connected():
            return
        for name, step in self._silence.steps(now_s):
            log.warning("nothing comes on %s any more: %s again", name, step.value)
            if step is Step.RECONNECT:
                self._client.disconnect()
                self._next_attempt = 0.0
                return
            self._subscribe(name, dict(self._subscriptions)[name])

    def _unsubscribe(self) -> None:
        for topic in self._stale:
            _, mid = self._client.unsubscribe(topic)
            self._dropped[mid or 0] = topic

    def _subscribe(self, topic: str, qos: int) -> None:
        if self._client.protocol == V5:
            # What is retained comes with a new subscription, not again with each connection.
            options = SubscribeOptions(
                qos=qos, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            _, mid = self._client.subscribe(topic, options=options)
        else:
            _, mid = self._client.subscribe(topic, qos)
        self._asked[mid or 0] = topic

    def _on_connect(
        self,
        _client: paho.Client,
        _data: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._unanswered = 0
        if reason.is_failure:
            log.error("%s:%d refuses the connection: %s", self._host, self._port, reason)
            if reason.getName() == "Unsupported protocol version":
                self._other_protocol()
            return
        # On every connection, whatever the broker says of the session: a broker that was
        # restarted may know the session and not its subscriptions.
        for topic, qos in self._subscriptions:
            self._subscribe(topic, qos)
        self._unsubscribe()
        self._silence.pause(time.monotonic())
        self._connected_at = time.monotonic()
        self.connections += 1
        self.resumed = flags.session_present
        self._allowed = min(UNDER_WAY, getattr(properties, "ReceiveMaximum", UNDER_WAY))
        kept = "kept" if flags.session_present else "new"
        log.info("connected to %s:%d, session %s", self._host, self._port, kept)

    def _on_subscribe(
        self, _client: object, _data: object, mid: int, reasons: list[ReasonCode], _props: object
    ) -> None:
        topic = self._asked.pop(mid, "")
        if any(reason.is_failure for reason in reasons):
            self._refused = f"the broker refuses the subscription {topic}: {reasons[0]}"

    def _on_unsubscribe(self, _client: object, _data: object, mid: int, *_: object) -> None:
        topic = self._dropped.pop(mid, None)
        if topic is not None:
            self._stale.discard(topic)
            log.info("no longer subscribed to %s", topic)

    def _other_protocol(self) -> None:
        """Speak the other version of MQTT from the next attempt on, where the config leaves it."""
        self._unanswered = 0
        if self._broker.protocol == "auto":
            self._protocol = V3 if self._protocol == V5 else V5
            log.warning("trying MQTT %s", "5" if self._protocol == V5 else "3.1.1")

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _props: object
    ) -> None:
        if reason.value == SESSION_TAKEN_OVER:
            self._refused = (
                f"another client has taken the id {self._identity.client_id!r}: "
                "give each agent its own `agent` name or `broker.client_id`"
            )
        elif reason.is_failure:
            why = f"not MQTT: {self._client.fault}" if self._client.fault else reason
            log.warning("connection to %s:%d lost: %s", self._host, self._port, why)
            if self._connected_at is None:
                # Brokers that do not know MQTT 5 need not say so; some just hang up.
                self._unanswered += 1
                if self._unanswered >= HUNG_UP:
                    self._other_protocol()
            self._judge_connection()

    def _judge_connection(self) -> None:
        """After the loss of a connection: was it one, or is there a fight over our id?

        Brokers need not say that a session was taken over (mosquitto 2.0.11 and rumqttd do
        not), so two agents of one name end each other's connections for ever. That can only
        be guessed; the pauses grow meanwhile and the guess is told.
        """
        since, self._connected_at = self._connected_at, None
        if since is None:  # it never stood
            return
        if time.monotonic() - since >= STEADY_S:
            self._short, self._pause_s = 0, BACKOFF_S[0]
            return
        self._short += 1
        if self._short >= FIGHT:
            log.error(
                "%d connections in a row were ended at once: does another client use the id %r?",
                self._short, self._identity.client_id,
            )  # fmt: skip
