"""paho's client on a socket that keeps PUBLISH packets for us: reads and writes in bulk.

paho keeps connecting, sessions, subscriptions, pings, publishing. It asks its socket for
`recv` and `send` as ever, and `pending` as it does of TLS, whatever lies beneath: TCP, TLS
or paho's WebSocket.
"""

import select
import socket
import ssl
import time
from collections import Counter
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion

from edge_anomaly.adapters.mqtt_tap import MalformedPacketError, Tap, acknowledgements
from edge_anomaly.values import Message

__all__ = ["Client", "Descriptor", "TapClient", "TapSocket", "send_at_once"]

READ_BYTES = 1 << 18
WRITE_BYTES = 1 << 20  # that wait for the broker; beyond it paho waits
PARTING_S = 1.0  # for the last bytes, when the socket is closed


class Descriptor(Protocol):
    """A socket, or paho's wrapping of one."""

    def fileno(self) -> int:
        """Of the open file."""
        ...


class _Stream(Descriptor, Protocol):
    """What paho asks of a socket."""

    def recv(self, size: int, /) -> bytes: ...

    def send(self, data: bytes, /) -> int: ...

    def setblocking(self, flag: bool, /) -> None: ...  # noqa: FBT001 - as sockets have it

    def close(self) -> None: ...


class TapSocket:
    """A socket whose PUBLISH packets go to a tap; writes wait for `flush`."""

    def __init__(self, stream: _Stream, tap: Tap) -> None:
        self._stream = stream
        self._tap = tap
        self._rest = b""  # for paho
        self._out = bytearray()
        self.fault = ""  # why the stream could not be read

    @property
    def unsent(self) -> int:
        """Bytes that wait for the broker."""
        return len(self._out)

    def recv(self, size: int) -> bytes:
        """What is not PUBLISH, up to `size` bytes.

        Raises:
            BlockingIOError: There is nothing now.
            OSError: The connection is lost, or what came is not MQTT.
        """
        if not self._rest:
            data = self._stream.recv(READ_BYTES)
            if not data:
                return b""
            try:
                self._rest = self._tap.feed(data)
            except MalformedPacketError as exc:
                self.fault = str(exc)  # paho knows only that the connection was lost
                raise
            if not self._rest:
                raise BlockingIOError
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def send(self, data: bytes) -> int:
        """Take all of `data`, or nothing.

        Raises:
            BlockingIOError: Too much waits already.
        """
        if len(self._out) > WRITE_BYTES:
            self.flush()
            if len(self._out) > WRITE_BYTES:
                raise BlockingIOError
        self._out += data
        return len(data)

    def flush(self) -> None:
        """Write what the connection takes.

        Raises:
            OSError: The connection is lost.
        """
        while self._out:
            try:
                sent = self._stream.send(self._out)  # type: ignore[arg-type] # sockets take any buffer
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            if not sent:  # paho's WebSocket has more of a frame to write
                return
            del self._out[:sent]

    def pending(self) -> int:
        """Bytes that were read from the system and not yet by paho."""
        below = getattr(self._stream, "pending", None)
        return len(self._rest) + (below() if below else 0)

    def fileno(self) -> int:
        """Of the socket beneath."""
        return self._stream.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as sockets have it
        """As of any socket."""
        self._stream.setblocking(flag)

    def close(self) -> None:
        """Write the last bytes, if that is quick, and close."""
        deadline = time.monotonic() + PARTING_S
        try:
            self.flush()
            while self._out and time.monotonic() < deadline:
                select.select([], [self._stream], [], PARTING_S)
                self.flush()
        except (OSError, ValueError):
            pass  # lost anyway
        finally:
            self._stream.close()


class Client(paho.Client):
    """paho's, which leaves sockets open: that of a connection nobody answered, and two of its own.

    Only its destructor closes them, and the garbage collector may come to the sockets first.
    """

    def hang_up(self) -> None:
        """Close all of them, without a word to the broker; its thread, if any, has ended."""
        self._reset_sockets()


class TapClient(Client):
    """For subscriptions at QoS 0 and 1; `on_message` is never called."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type] # passed through
        self.tap = Tap(5 if self.protocol == MQTTProtocolVersion.MQTTv5 else 4)
        self._tapped: TapSocket | None = None

    @property
    def unsent(self) -> int:
        """Bytes that wait for the broker."""
        return self._tapped.unsent if self._tapped else 0

    @property
    def inbox(self) -> list[Message]:
        """Messages that have come."""
        return self.tap.inbox

    @property
    def confirmed(self) -> list[int]:
        """Packet ids of ours that the broker has taken."""
        return self.tap.confirmed

    @property
    def refusals(self) -> Counter[str]:
        """What it has taken and thrown away, by reason."""
        return self.tap.refusals

    @property
    def fault(self) -> str:
        """Why the present or last connection could not be read; empty where it could."""
        return self._tapped.fault if self._tapped else ""

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Acknowledge messages of the present connection, in one write."""
        if packet_ids and self._tapped:
            self._tapped.send(acknowledgements(packet_ids))

    def flush(self) -> None:
        """Write what the connection takes; a loss shows at the next read."""
        if self._tapped:
            try:
                self._tapped.flush()
            except OSError:
                self._tapped = None

    def _create_socket(self) -> TapSocket:  # type: ignore[override] # paho's type is a Protocol of its own
        """Where paho makes its connection."""
        self.tap.restart()
        self._tapped = None  # not the old one, while the new one may fail
        self._tapped = TapSocket(super()._create_socket(), self.tap)
        return self._tapped


def send_at_once(sock: Descriptor) -> None:
    """Turn Nagle's algorithm off.

    With it an alarm waits behind an acknowledgement of ours until the broker's kernel has
    confirmed that, which it puts off for 40 ms.
    """
    with socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
