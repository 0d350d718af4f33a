"""State to bytes and back: MessagePack, with arrays as npy inside it. No pickle."""

import io
from typing import Any

import msgspec
import numpy as np

from edge_anomaly.errors import StateError

__all__ = ["pack", "unpack"]

ARRAY = 1  # the extension type of an array


def pack(state: object) -> bytes:
    """Plain builtins, bytes and numpy arrays as bytes."""
    return _encoder.encode(state)


def unpack(data: bytes) -> Any:  # noqa: ANN401 - whatever was packed
    """What was packed; tuples come back as lists.

    Raises:
        StateError: These bytes are not of `pack`.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, EOFError, RecursionError) as exc:
        raise StateError(f"cannot be read: {exc}") from exc


def _encode(value: object) -> Any:  # noqa: ANN401 - msgspec's hook is untyped
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.lib.format.write_array(file, value, allow_pickle=False)
        return msgspec.msgpack.Ext(ARRAY, file.getvalue())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int):  # a Duration, which is one
        return int(value)
    raise NotImplementedError(f"no way to keep {type(value)}")


def _decode(code: int, data: memoryview) -> Any:  # noqa: ANN401 - likewise
    if code != ARRAY:
        raise ValueError(f"an extension of type {code}")
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


_encoder = msgspec.msgpack.Encoder(enc_hook=_encode)
_decoder = msgspec.msgpack.Decoder(ext_hook=_decode)
