"""MessagePack payloads, read like JSON; msgspec has the decoder."""

import msgspec

from edge_anomaly.errors import PayloadError
from edge_anomaly.files.inputs import MsgpackInput
from edge_anomaly.formats.records import RecordFormat

__all__ = ["MsgpackFormat"]


class MsgpackFormat(RecordFormat):
    """Reads what one input of the config describes."""

    def __init__(self, spec: MsgpackInput) -> None:
        self._msgpack = msgspec.msgpack.Decoder().decode
        super().__init__(spec, self._read)

    def _read(self, payload: bytes) -> object:
        try:
            return self._msgpack(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as exc:
            raise PayloadError("unparsable", f"not MessagePack: {exc}") from exc
