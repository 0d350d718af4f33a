import itertools
import random

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from peers import new_properties

from edge_anomaly.adapters.mqtt_tap import MalformedPacketError, Tap, acknowledgements
from edge_anomaly.values import Message

PINGRESP = b"\xd0\x00"
SUBACK = b"\x90\x04\x00\x01\x00\x01"

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TOPICS = TEXTS.filter(lambda topic: bool(topic) and not set(topic) & set("+#"))


class Wire:
    """Stands in for paho's socket: gives what it was given, keeps what is sent."""

    def __init__(self, incoming: bytes = b"") -> None:
        self.incoming = incoming
        self.sent = b""

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError
        taken, self.incoming = self.incoming[:size], self.incoming[size:]
        return taken

    def send(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        self.incoming = b""


def paho_client(wire: Wire, version: int) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(version), manual_ack=True
    )
    client._sock = wire  # type: ignore[assignment] # as much of a socket as paho needs
    return client


def packet(message: Message, version: int = 5, user: tuple[tuple[str, str], ...] = ()) -> bytes:
    """`message` as paho puts it on the wire."""
    wire = Wire()
    client = paho_client(wire, version)
    properties = None
    if version == 5:
        properties = new_properties(PacketTypes.PUBLISH)
        if message.response_topic is not None:
            properties.ResponseTopic = message.response_topic
        if message.correlation:
            properties.CorrelationData = message.correlation
        for pair in user:
            properties.UserProperty = pair
            properties.ContentType = pair[0]
            properties.MessageExpiryInterval = 7
            properties.PayloadFormatIndicator = 1
    client._send_publish(
        message.packet_id,
        message.topic.encode(),
        message.payload,
        message.qos,
        message.retain,
        message.duplicate,
        info=paho.MQTTMessageInfo(message.packet_id),
        properties=properties,
    )
    return wire.sent


def as_paho_reads(stream: bytes, version: int) -> list[Message] | None:
    """What paho's own parser makes of the stream; None where it gives up."""
    got: list[Message] = []

    def take(_client: object, _data: object, message: paho.MQTTMessage) -> None:
        properties = message.properties
        got.append(
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

    wire = Wire(stream)
    client = paho_client(wire, version)
    client.on_message = take
    try:
        while wire.incoming:
            if client._packet_read() > 0:
                return None
    except Exception:  # noqa: BLE001 - whatever paho does with nonsense
        return None
    return got


def read(stream: bytes, version: int = 5) -> list[Message]:
    tap = Tap(version)
    assert tap.feed(stream) == b""
    return tap.inbox


@st.composite
def messages(draw: st.DrawFn, version: int = 5) -> Message:
    qos = draw(st.sampled_from([0, 1]))
    with_properties = version == 5 and draw(st.booleans())
    return Message(
        draw(TOPICS),
        draw(st.binary(max_size=300)),
        qos,
        draw(st.booleans()),
        draw(TOPICS) if with_properties else None,
        draw(st.binary(min_size=1, max_size=200)) if with_properties else b"",
        draw(st.booleans()) if qos else False,
        draw(st.integers(1, 65535)) if qos else 0,
    )


USERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple)


@given(messages(), USERS)
def test_reads_what_paho_writes(message: Message, user: tuple[tuple[str, str], ...]) -> None:
    assert read(packet(message, user=user)) == [message]


@given(messages(version=4))
def test_reads_what_paho_writes_in_mqtt_3_1_1(message: Message) -> None:
    assert read(packet(message, version=4), version=4) == [message]


@given(st.lists(messages(), min_size=1, max_size=8))
def test_reads_as_paho_reads(many: list[Message]) -> None:
    stream = b"".join(packet(message) for message in many)
    assert as_paho_reads(stream, 5) == read(stream) == many


@given(st.lists(messages(), max_size=5), st.data())
def test_where_the_stream_is_cut_makes_no_difference(
    many: list[Message], data: st.DataObject
) -> None:
    parts = [packet(message) for message in many]
    others = [data.draw(st.sampled_from([b"", PINGRESP, SUBACK])) for _ in range(len(many) + 1)]
    stream = others[0] + b"".join(itertools.chain(*zip(parts, others[1:], strict=True)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    tap = Tap()
    passed = b"".join(tap.feed(stream[a:b]) for a, b in itertools.pairwise([0, *cuts, len(stream)]))
    assert tap.inbox == many
    assert passed == b"".join(others)


def test_byte_by_byte() -> None:
    message = Message(
        "plant/c-1/flow",
        b'{"v":1}',
        qos=1,
        response_topic="reply",
        correlation=b"\x00\x01",
        packet_id=258,
    )
    stream = SUBACK + packet(message, user=(("a", "b"),)) + PINGRESP + packet(message)
    tap = Tap()
    passed = [tap.feed(stream[at : at + 1]) for at in range(len(stream))]
    assert tap.inbox == [message, message]
    # Each packet of paho's is passed on with its last byte, whole.
    assert [part for part in passed if part] == [SUBACK, PINGRESP]


@pytest.mark.parametrize("size", [0, 1, 121, 122, 16_377, 16_378, 2_097_145, 10_000_000])
def test_lengths_of_one_to_four_bytes(size: int) -> None:
    message = Message("t", bytes(size), 0)
    stream = packet(message) + PINGRESP
    tap = Tap()
    passed = b"".join(tap.feed(stream[at : at + 262_144]) for at in range(0, len(stream), 262_144))
    assert tap.inbox == [message]
    assert passed == PINGRESP


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"\x30\x05\x00\x02\xff\xfe\x00", "a topic is not UTF-8"),
        (b"\x30\x03\x00\x02x", "ends within its topic"),
        (b"\x30\x00", "ends within its topic"),
        (b"\x30\x01\x00", "ends within its topic"),
        (b"\x30\x03\x00\x00\x00", "without a topic"),
        (b"\x30\x04\x00\x01x\x80", "ends within its properties"),
        (b"\x30\x03\x00\x01x", "ends within its properties"),
        (b"\x30\x04\x00\x01x\x09", "ends within its properties"),
        (b"\x30\x08\x00\x01x\xff\xff\xff\xff\x7f", "a length of more than four bytes"),
        (b"\x34\x06\x00\x01x\x00\x01\x00", "QoS 2"),
        (b"\x36\x06\x00\x01x\x00\x01\x00", "QoS 2"),
        (b"\x32\x06\x00\x01x\x00\x00\x00", "without a packet id"),
        (b"\x32\x04\x00\x01x\x00", "without a packet id"),
        (b"\x30\x07\x00\x01x\x03\x23\x00\x01", "no property 0x23 here"),
        (b"\x30\x06\x00\x01x\x02\x11\x00", "no property 0x11 here"),
        (b"\x30\x06\x00\x01x\x02\x02\x00", "ends within a property"),
        (b"\x30\x06\x00\x01x\x02\x03\x00", "ends within a property"),
        (b"\x30\x07\x00\x01x\x03\x26\x00\x00", "ends within a property"),
        (b"\x30\x08\x00\x01x\x04\x08\x00\x01\xff", "a response topic is not UTF-8"),
        (b"\x30\xff\xff\xff\xff\x01", "a length of more than four bytes"),
    ],
)
def test_refuses_what_is_not_a_publish(stream: bytes, why: str) -> None:
    tap = Tap()
    with pytest.raises(MalformedPacketError, match=why):
        tap.feed(packet(Message("before", b"1")) + stream + bytes(4))
    assert tap.inbox == [Message("before", b"1")]


@given(messages(), st.data())
def test_of_a_damaged_stream_it_reads_what_paho_reads_or_refuses(
    message: Message, data: st.DataObject
) -> None:
    stream = bytearray(packet(message, user=(("k", "v"),)) * 2)
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    tap = Tap()
    try:
        tap.feed(bytes(stream))
    except MalformedPacketError:
        return
    expected = as_paho_reads(bytes(stream), 5)
    if expected is not None:
        assert tap.inbox == expected


def test_noise_raises_nothing_else_and_keeps_no_more_than_it_was_given() -> None:
    noise, refused = random.Random(5), 0  # noqa: S311 - no secret
    for _ in range(2000):
        tap = Tap()
        try:
            tap.feed(b"\x30" + noise.randbytes(60))
        except MalformedPacketError:
            refused += 1
        assert sum(map(len, tap._chunks)) <= 61
    assert refused > 500


def test_names_of_topics_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_anomaly.adapters.mqtt_tap.TOPICS", 10)
    tap = Tap()
    for number in range(100):
        tap.feed(packet(Message(f"t{number}", b"")))
    assert len(tap._topics) <= 10
    assert [message.topic for message in tap.inbox] == [f"t{number}" for number in range(100)]


def test_a_new_connection_begins_a_new_stream() -> None:
    tap = Tap()
    stream = packet(Message("t", b"payload"))
    tap.feed(stream + stream[:4])
    tap.restart()
    tap.feed(stream)
    assert tap.inbox == [Message("t", b"payload")]


def test_what_the_broker_confirms_is_noted_and_passed_on() -> None:
    tap = Tap()
    taken, refused = b"\x40\x02\x01\x02", b"\x40\x03\x00\x07\x87"
    assert tap.feed(taken + refused) == taken + refused
    assert tap.confirmed == [258, 7]
    assert tap.refusals == {"reason 0x87": 1}  # not authorized


def test_acknowledgements_are_packets_as_paho_sends_them() -> None:
    wire = Wire()
    client = paho_client(wire, 5)
    for packet_id in (1, 258, 65535):
        client._send_puback(packet_id)
    assert acknowledgements([1, 258, 65535]) == wire.sent
    assert acknowledgements([]) == b""
