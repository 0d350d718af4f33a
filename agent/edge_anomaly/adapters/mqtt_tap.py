"""PUBLISH packets off a stream of MQTT bytes, everything else passed on. Pure.

Of each incoming message paho builds an object with a lock and a table of all properties
that MQTT knows, after reading the packet in three pieces: 15 us and more. Here a message is
a slice of what was read in bulk, and only the properties that the agent uses are kept.

MQTT 5 is the OASIS standard of 2019, whose sections are named below; 3.1.1 is the same
without properties.
"""

from collections import Counter
from functools import partial

from edge_anomaly.values import Message

__all__ = ["MalformedPacketError", "Tap", "acknowledgements"]

PUBLISH = 0x30
PUBACK = 0x40
FAILURE = 0x80  # reason codes from here on (2.4)
TOPICS = 100_000  # names that are kept decoded

_RESPONSE_TOPIC, _CORRELATION, _SUBSCRIPTION = 0x08, 0x09, 0x0B
# The other properties that a PUBLISH may have (3.3.2.3), but for a topic alias, which we
# do not allow: how many bytes they hold, or how many texts.
_BYTES = {0x01: 1, 0x02: 4}  # payload format, expiry
_TEXTS = {0x03: 1, 0x26: 2}  # content type, user property

_message = partial(tuple.__new__, Message)  # 0.2 us less than Message(...)


class MalformedPacketError(ConnectionError):
    """What the broker sent is not MQTT; the connection cannot be used any longer."""


class Tap:
    """One connection's stream; `restart` it for the next."""

    def __init__(self, version: int = 5) -> None:
        """Begin a stream of MQTT `version` 5 or 4 (which is 3.1.1)."""
        self.version = version
        self.inbox: list[Message] = []
        self.confirmed: list[int] = []  # packet ids of what we published
        self.refusals: Counter[str] = Counter()  # of what we published, by reason
        self._chunks: list[bytes] = []  # of a packet that has not come whole
        self._have = self._need = 0
        self._topics: dict[bytes, str] = {}

    def restart(self) -> None:
        """Forget what belongs to a connection that is no more."""
        self.inbox.clear()
        self._chunks.clear()
        self._have = self._need = 0

    def feed(self, data: bytes) -> bytes:
        """Take the messages of what was read into `inbox`; return all other whole packets.

        Raises:
            MalformedPacketError: A PUBLISH is none, or one of QoS 2, which nobody asked for.
        """
        if self._chunks:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                return b""
            data = b"".join(self._chunks)
            self._chunks.clear()
        inbox, publish, other = self.inbox, self._publish, b""
        at, end = 0, len(data)
        self._need = 0
        while at + 1 < end:
            head, size = data[at], data[at + 1]
            body = at + 2
            if size > 127:  # noqa: PLR2004 - the length goes on in the next byte (1.5.5)
                size, body = _variable(data, at + 1, end)
                if body > end:
                    break
            stop = body + size
            if stop > end:
                self._need = stop - at
                break
            if head & 0xF0 == PUBLISH:
                inbox.append(publish(data, head, body, stop))
            else:
                other += data[at:stop]
                if head == PUBACK and size > 1:
                    self._confirm(data[body:stop])
            at = stop
        if at < end:
            self._chunks.append(data[at:] if at else data)
            self._have = end - at
        return other

    def _confirm(self, body: bytes) -> None:
        """Note a PUBACK (3.4), which paho gets as well."""
        self.confirmed.append(body[0] << 8 | body[1])
        if len(body) > 2 and body[2] >= FAILURE:  # noqa: PLR2004 - behind the packet id
            self.refusals[f"reason {body[2]:#04x}"] += 1

    def _publish(self, data: bytes, head: int, at: int, stop: int) -> Message:
        """The message whose packet's body is data[at:stop] (3.3)."""
        end = at + 2 + (data[at] << 8 | data[at + 1] if at + 1 < stop else stop)
        if end > stop:
            raise MalformedPacketError("a PUBLISH ends within its topic")
        name = data[at + 2 : end]
        topic = self._topics.get(name) or self._topic(name)
        qos, packet_id, response, correlation = head >> 1 & 3, 0, None, b""
        if qos:
            if qos > 1:
                raise MalformedPacketError("a PUBLISH of QoS 2, which nobody asked for")
            packet_id = data[end] << 8 | data[end + 1] if end + 1 < stop else 0
            if not packet_id:
                raise MalformedPacketError("a PUBLISH of QoS 1 without a packet id")
            end += 2
        if self.version == 5:  # noqa: PLR2004 - the number of the protocol
            if end < stop and not data[end]:
                end += 1
            else:
                end, response, correlation = _properties(data, end, stop)
        return _message(
            (
                topic,
                data[end:stop],
                qos,
                head & 1 == 1,
                response,
                correlation,
                head & 8 == 8,  # noqa: PLR2004 - the bit named DUP (3.3.1.1)
                packet_id,
            )
        )

    def _topic(self, name: bytes) -> str:
        try:
            topic = name.decode()
        except UnicodeDecodeError as exc:
            raise MalformedPacketError(f"a topic is not UTF-8: {name!r}") from exc
        if not topic:  # an alias, which we did not allow (3.3.2.3.4)
            raise MalformedPacketError("a PUBLISH without a topic")
        if len(self._topics) >= TOPICS:
            self._topics.clear()
        self._topics[name] = topic
        return topic


def acknowledgements(packet_ids: list[int]) -> bytes:
    """A PUBACK for each (3.4; without a reason it means success, and 3.1.1 has the same)."""
    return b"".join(b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids)


def _variable(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """A variable byte integer (1.5.5) and where it ends; beyond `stop` where it is cut off."""
    value = 0
    for shift in (0, 7, 14, 21):
        if at >= stop:
            return 0, stop + 1
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the last of them has no high bit
            return value, at
    raise MalformedPacketError("a length of more than four bytes")


def _properties(data: bytes, at: int, stop: int) -> tuple[int, str | None, bytes]:
    """Where the properties end, the response topic and the correlation data among them."""
    size, at = _variable(data, at, stop)
    end = at + size
    if end > stop:
        raise MalformedPacketError("a PUBLISH ends within its properties")
    response, correlation = None, b""
    while at < end:
        kind = data[at]
        at += 1
        if kind in _BYTES:
            at += _BYTES[kind]
        elif kind in _TEXTS:
            for _ in range(_TEXTS[kind]):
                _, at = _counted(data, at, end)
        elif kind == _RESPONSE_TOPIC:
            start, at = _counted(data, at, end)
            response = _text(data[start:at])
        elif kind == _CORRELATION:
            start, at = _counted(data, at, end)
            correlation = data[start:at]
        elif kind == _SUBSCRIPTION:
            _, at = _variable(data, at, end)
        else:
            raise MalformedPacketError(f"a PUBLISH has no property {kind:#04x} here")
    if at > end:
        raise MalformedPacketError("a PUBLISH ends within a property")
    return end, response, correlation


def _counted(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where bytes that follow their number begin and end."""
    if at + 2 > end:
        return end, end + 1
    start = at + 2
    return start, start + (data[at] << 8 | data[at + 1])


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError as exc:
        raise MalformedPacketError(f"a response topic is not UTF-8: {name!r}") from exc
