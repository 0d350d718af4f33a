"""Recorded messages as training data, read by the agent's own inputs."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_anomaly.errors import ConfigError, RecordingError
from edge_export.data.messages import read
from edge_export.data.sources import healthy

PLANT = """\
site: north
agent: gw
broker: {url: "embedded:"}
inputs:
  - {topic: "plant/{device}/{signal}", time: {path: t}}
  - {topic: "bare/{device}/{signal}", format: text}
models:
  - {bundle: b, devices: ["*"]}
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT, "utf-8")
    return file


def written(tmp_path: Path, *lines: Any) -> Path:
    file = tmp_path / "day.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n", "utf-8")
    return file


def test_messages_become_a_table_a_device(tmp_path: Path, plant: Path) -> None:
    file = written(
        tmp_path,
        {"topic": "plant/c-1/flow", "payload": '{"t": 100, "value": 1.5}', "time": 7},
        {"topic": "plant/c-1/temp", "payload": {"t": 100, "value": 20}, "time": 7},
        {"topic": "plant/c-1/flow", "payload": {"t": 99, "value": 1.25}, "time": 7},
        {"topic": "plant/c-1/flow", "payload": {"t": 99, "value": 9}, "time": 8},
        {"topic": "plant/c-2/flow", "payload": {"t": 100, "value": 3}, "time": 7},
        {"topic": "elsewhere", "payload": "x", "time": 7},
        {"topic": "plant/c-1/flow", "payload": "not JSON", "time": 7},
    )
    first, second = read(file, plant)
    assert (first.device, second.device) == ("c-1", "c-2")
    assert first.signals == second.signals == ("flow", "temp")
    assert first.t_ns.tolist() == [99 * 10**9, 100 * 10**9]
    np.testing.assert_array_equal(first.values, [[1.25, np.nan], [1.5, 20]])
    np.testing.assert_array_equal(second.values, [[3, np.nan]])
    assert healthy([str(file)], plant)[0].device == "c-1"


def test_a_payload_without_a_time_is_of_its_arrival(tmp_path: Path, plant: Path) -> None:
    file = written(
        tmp_path,
        {"topic": "bare/c-1/flow", "payload": "1", "tst": "1970-01-01T01:00:10.5+0100"},
        {"topic": "bare/c-1/flow", "payload": 2, "time": "1970-01-01T00:00:11"},
        {"topic": "bare/c-1/flow", "payload_base64": base64.b64encode(b"3").decode(), "time": 12},
    )
    (one,) = read(file, plant)
    assert one.t_ns.tolist() == [10_500_000_000, 11 * 10**9, 12 * 10**9]
    assert one.values[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"payload": "1", "time": 1}, r"day\.ndjson:1: not a message: .*missing.*topic"),
        ({"topic": "bare/c/f", "payload": "1"}, "not a message: no `time`"),
        ({"topic": "bare/c/f", "payload": "1", "time": "noon"}, "not a message: Invalid isoformat"),
        ({"topic": "bare/c/f", "payload_base64": "*", "time": 1}, "not a message: payload_base64"),
        ({"topic": "x", "payload": "1", "time": 1}, "no message that an input of"),
    ],
)
def test_what_cannot_be_learnt_from_is_told(
    tmp_path: Path, plant: Path, line: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RecordingError, match=complaint):
        read(written(tmp_path, line), plant)


def test_messages_need_inputs_that_read_them(tmp_path: Path, plant: Path) -> None:
    with pytest.raises(ConfigError, match="--inputs FILE"):
        read(written(tmp_path, {}), None)
    with pytest.raises(RecordingError, match=r"nowhere\.ndjson: not there"):
        read(tmp_path / "nowhere.ndjson", plant)
