"""The same readings give the same events, whether recorded or live through a broker."""

import csv
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from agents import (
    COMPRESSORS,
    PATIENCE_S,
    command,
    environment,
    onlooker,
    publish,
    running,
)
from brokers import Broker, eventually
from numpy.typing import NDArray

from edge_anomaly.plants import PERIOD_S, Compressors, Fault, Kind
from edge_anomaly.simulate import START_S
from edge_anomaly.values import Message
from edge_export.data.datasets import asd
from edge_export.data.datasets.files import folder

SERVERS = Path(__file__).parents[2] / "configs" / "bundles" / "servers"
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Readings:
    """Slots of some devices."""

    bundle: Path
    devices: Sequence[str]
    signals: Sequence[str]
    t_s: NDArray[np.int64]  # (slots,)
    values: NDArray[np.float32]  # (slots, devices, signals)

    def config(self, folder: Path, url: str) -> Path:
        file = folder / "plant.yaml"
        file.write_text(
            f"""\
site: north
agent: gw-01
broker:
  url: {url}
inputs:
  - topic: plant/{{device}}
    value: v
    time: {{path: t, unit: s}}
    max_gap: 10min
models:
  - bundle: {self.bundle}
    devices: [{", ".join(self.devices)}]
""",
            "utf-8",
        )
        return file

    def recording(self, folder: Path) -> Path:
        file = folder / "recording.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["time", "device", *self.signals])
            for t_s, machines in zip(self.t_s.tolist(), self._floats(), strict=True):
                for device, row in zip(self.devices, machines, strict=True):
                    rows.writerow([t_s, device, *row])
        return file

    def messages(self) -> list[Message]:
        return [
            Message(
                f"plant/{device}",
                msgspec.json.encode({"t": t_s, "v": dict(zip(self.signals, row, strict=True))}),
            )
            for t_s, machines in zip(self.t_s.tolist(), self._floats(), strict=True)
            for device, row in zip(self.devices, machines, strict=True)
        ]

    def _floats(self) -> list[list[list[float]]]:
        floats: list[list[list[float]]] = self.values.astype(np.float64).tolist()
        return floats


Events = dict[tuple[str, int], dict[str, Any]]


def comparable(lines: Sequence[bytes]) -> Events:
    """Events by id and sequence number, without the time at which they were said."""
    events: Events = {}
    for line in lines:
        event = msgspec.json.decode(line)
        del event["publish_ts"]
        key = (event["event_id"], event["seq"])
        assert key not in events
        events[key] = event
    return events


def assert_same(got: Any, want: Any) -> None:
    """Equal, but for the last digits: windows meet in other batches, which round otherwise."""
    if isinstance(want, dict):
        assert list(got) == list(want)
        for name, value in want.items():
            if name == "share":  # has three decimals
                assert got[name] == pytest.approx(value, abs=0.0011)
            elif name == "message":
                assert NUMBER.sub("#", got[name]) == NUMBER.sub("#", value)
            else:
                assert_same(got[name], value)
    elif isinstance(want, list):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert_same(one, other)
    else:
        assert got == (pytest.approx(want, rel=1e-4) if isinstance(want, float) else want)


def replayed(config: Path, recording: Path) -> Events:
    ended = subprocess.run(
        command("replay", "--config", config, recording),
        capture_output=True,
        env=environment(),
        timeout=60,
        check=True,
    )
    return comparable(ended.stdout.splitlines())


def lived(config: Path, url: str, readings: Readings) -> Events:
    """Events of the live run."""

    def count(device: str) -> int:
        return len(watcher.raw(f"device/{device}/score"))

    with onlooker(url) as watcher, running(config, watcher) as agent:
        publish(url, readings.messages())
        slots = len(readings.t_s)
        eventually(lambda: all(count(d) == slots for d in readings.devices), within=PATIENCE_S)
        assert agent.stop() == 0
        eventually(lambda: watcher.says("stopped"))
        assert not watcher.raw("error")
        return comparable(watcher.raw("event"))


def compare(broker: Broker, folder: Path, readings: Readings) -> Events:
    config = readings.config(folder, broker.url)
    want = replayed(config, readings.recording(folder))
    got = lived(config, broker.url, readings)
    assert got.keys() == want.keys()
    for key, event in want.items():
        assert_same(got[key], event)
    return want


def test_for_faults_of_simulated_compressors(broker: Broker, tmp_path: Path) -> None:
    plant = Compressors(
        7,
        [
            Fault.of(Kind.PRIMARY_SEAL_LEAK, "c-1", (60, 130), size=2.0),
            Fault.of(Kind.FILTER_CLOGGING, "c-2", (80, 150), size=3.0),
            Fault.of(Kind.SEPARATION_GAS_LOSS, "c-3", (90, 150), size=0.5),
            Fault.of(Kind.VALVE_HUNTING, "c-4", (100, 160), size=0.3),
        ],
    )
    slots, values = plant.step(300)
    readings = Readings(
        COMPRESSORS,
        plant.devices,
        plant.signals,
        (START_S + slots * PERIOD_S).astype(np.int64),
        values,
    )
    events = compare(broker, tmp_path, readings)
    assert {event["device"] for event in events.values()} == set(plant.devices)
    assert {event["type"] for event in events.values()} >= {"new", "end"}


def test_for_recordings_of_servers(broker: Broker, tmp_path: Path) -> None:
    if not folder("asd").is_dir():
        pytest.skip(asd.MISSING)
    devices = ("omi-3", "omi-6")
    _, recordings = asd.load(entities=devices)
    first, second = recordings
    part = slice(700, 1000)  # faults on both from slot 750 on
    readings = Readings(
        SERVERS,
        devices,
        asd.SIGNALS,
        first.t_ns[part] // 10**9,
        np.stack([first.values[part], second.values[part]], axis=1),
    )
    events = compare(broker, tmp_path, readings)
    assert {event["type"] for event in events.values()} >= {"new", "end"}
