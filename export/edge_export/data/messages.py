"""Recorded MQTT traffic, a message a line, read as the agent would read it.

A line is JSON: `topic`, `payload` (text, or JSON of any kind) or `payload_base64`, and `time` or
`tst` (ISO 8601 or seconds since the epoch) of its arrival: what `mosquitto_sub -F %j` prints. The
inputs of a plant.yaml say which topics are readings and in which format, so that training and
serving cannot differ.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_anomaly.errors import ConfigError, PayloadError, RecordingError
from edge_anomaly.files.config import parse
from edge_anomaly.formats import Block, Sample
from edge_anomaly.topics import Route, read_topic, routes
from edge_anomaly.values import Message
from edge_export.data.recordings import Recording

__all__ = ["read"]

_Reading = tuple[str, str, int, float]  # device, signal, t_ns, value


class _Line(msgspec.Struct):
    topic: str
    payload: Any = None
    payload_base64: str | None = None
    time: str | float | None = None
    tst: str | None = None


def read(path: Path, plant: Path | None) -> list[Recording]:
    """The recordings in a file of messages, one a device, in the order of their first readings.

    Messages of other topics are passed over; so is what cannot be read, as the agent does.
    All recordings have the signals of all devices, in the order in which they first occur.

    Args:
        path: Of the messages.
        plant: The plant.yaml whose inputs read them.

    Raises:
        RecordingError: A line is no message, or no message holds a reading. Names the line.
        ConfigError: There is no plant.yaml, or it is wrong.
    """
    if plant is None:
        raise ConfigError(f"{path}: name the plant.yaml whose inputs read it: --inputs FILE")
    try:
        found = routes(parse(plant.read_text("utf-8"), str(plant)).inputs)
        lines = path.read_bytes().splitlines()
    except FileNotFoundError as exc:
        raise RecordingError(f"{exc.filename}: not there") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise RecordingError(f"{path}: {exc}") from exc
    readings: list[_Reading] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                readings += _readings(msgspec.json.decode(line, type=_Line), found)
            except (msgspec.MsgspecError, ValueError) as exc:
                raise RecordingError(f"{path}:{number}: not a message: {exc}") from exc
    if not readings:
        raise RecordingError(f"{path}: no message that an input of {plant} reads")
    return _tables(readings)


def _readings(line: _Line, found: Sequence[Route]) -> Iterator[_Reading]:
    route = read_topic(list(found), line.topic)
    if route is None:
        return
    spec, device, signal = route
    arrived_ns = _time_ns(line)
    message = Message(line.topic, _payload(line))
    try:
        items = spec.format.read(message, arrived_ns, lambda _code, _detail: None)
    except PayloadError:
        return
    for item in items:
        if isinstance(item, Sample):
            t_ns = arrived_ns if item.t_ns is None else item.t_ns
            yield item.device or device or "", item.signal or signal or "", t_ns, item.value
        elif isinstance(item, Block):
            last = (len(item.values) - 1) * item.step_ns
            begin = arrived_ns - last if item.t_ns is None else item.t_ns
            for row, values in enumerate(item.values):
                for name, value in zip(item.signals, values.tolist(), strict=True):
                    t_ns = round(begin + row * item.step_ns)
                    yield item.device or device or "", name or signal or "", t_ns, value


def _payload(line: _Line) -> bytes:
    if line.payload_base64 is not None:
        try:
            return base64.b64decode(line.payload_base64, validate=True)
        except binascii.Error as exc:
            raise ValueError(f"payload_base64: {exc}") from exc
    if isinstance(line.payload, str):
        return line.payload.encode()
    return msgspec.json.encode(line.payload)


def _time_ns(line: _Line) -> int:
    time = line.tst if line.time is None else line.time
    if time is None:
        raise ValueError("no `time` of its arrival")
    if not isinstance(time, str):
        return round(time * 1e9)
    moment = datetime.fromisoformat(time)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6) * 1000


def _tables(readings: Sequence[_Reading]) -> list[Recording]:
    signals = tuple(dict.fromkeys(signal for _, signal, _, _ in readings))
    column = {name: c for c, name in enumerate(signals)}
    recordings = []
    for device in dict.fromkeys(name for name, *_ in readings):
        mine = [reading for reading in readings if reading[0] == device]
        t_ns, row = np.unique(np.array([t for _, _, t, _ in mine], np.int64), return_inverse=True)
        values = np.full((t_ns.size, len(signals)), np.nan, np.float32)
        # From the end on, so that of two readings of one time the first stands, as in the agent.
        for at, (_, signal, _, value) in zip(row[::-1], reversed(mine), strict=True):
            values[at, column[signal]] = value
        values[~np.isfinite(values)] = np.nan
        recordings.append(Recording(device, t_ns, signals, values))
    return recordings
