"""One turn of the service: all that the core is given at once, so that it can be given again.

What follows from a turn depends on nothing but the turns before it. A journal of turns on
disk is therefore as good as the state they lead to.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from edge_anomaly.core import Core
from edge_anomaly.errors import StateError
from edge_anomaly.values import Message, Publish

__all__ = ["Turn", "read_turns", "take", "write_turns"]


class Turn(NamedTuple):
    """What came, and when."""

    now_ns: int
    greeting: bool  # a connection has been made since the last turn
    ticking: bool  # the broker can reach us, so that silence means something
    messages: list[Message]
    clock_set_ns: int = 0  # how far our clock was set forward (or back) since the last turn


def take(core: Core, turn: Turn) -> tuple[list[Publish], list[Publish]]:
    """Give a turn to the core; its greeting, and all else that it has to say."""
    if turn.clock_set_ns:
        core.clock_set(turn.clock_set_ns)
    greeting = core.connected(turn.now_ns) if turn.greeting else []
    said = core.receive(turn.messages, turn.now_ns) if turn.messages else []
    if turn.ticking:
        said += core.tick(turn.now_ns)
    return greeting, said


def write_turns(turns: Iterable[Turn]) -> bytes:
    """Turns as MessagePack."""
    return _encoder.encode(list(turns))


def read_turns(data: bytes) -> list[Turn]:
    """What `write_turns` was given.

    Raises:
        StateError: These bytes are not of it.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise StateError(f"journal: {exc}") from exc


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Turn])
