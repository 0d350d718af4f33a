"""The agent as a process, and what stands around it: a config, readings, an onlooker."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from brokers import eventually
from numpy.typing import NDArray
from peers import Peer, peer

import edge_anomaly.plants
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.plants import PERIOD_S, Compressors
from edge_anomaly.simulate import START_S
from edge_anomaly.values import Message

__all__ = [
    "BASE",
    "COMPRESSORS",
    "PATIENCE_S",
    "Agent",
    "Onlooker",
    "command",
    "compressor_readings",
    "compressors_yaml",
    "environment",
    "onlooker",
    "publish",
    "running",
]

COMPRESSORS = Path(edge_anomaly.plants.__file__).parent / "bundles" / "compressors"
BASE = "edge-agent/v1/north/gw-01"
PATIENCE_S = 20.0


def compressors_yaml(
    folder: Path,
    url: str,
    *,
    agent: str = "gw-01",
    plant: str = "plant",
    lateness: str = "0s",
    bundle: Path = COMPRESSORS,
) -> Path:
    """A config on the demo's bundle; readings come as plant/<device>/<signal>."""
    file = folder / f"{agent}.yaml"
    file.write_text(
        f"""\
site: north
agent: {agent}
broker:
  url: {url}
inputs:
  - topic: {plant}/{{device}}/{{signal}}
    value: v
    time: {{path: t, unit: s}}
    lateness: {lateness}
    max_gap: 3min
models:
  - bundle: {bundle}
    devices: ["c-*"]
""",
        "utf-8",
    )
    return file


def compressor_readings(
    values: NDArray[np.float32], *, first: int = 0, plant: str = "plant"
) -> list[Message]:
    """Slots of a simulated station, (slots, devices, signals), one message a reading."""
    return [
        Message(
            f"{plant}/{device}/{signal}",
            msgspec.json.encode({"t": START_S + (first + slot) * PERIOD_S, "v": value}),
        )
        for slot, machines in enumerate(values.astype(np.float64).tolist())
        for device, row in zip(Compressors.devices, machines, strict=True)
        for signal, value in zip(Compressors.signals, row, strict=True)
    ]


def publish(url: str, messages: Iterable[Message]) -> None:
    """Return once the broker has all of them."""
    with PlainClient(url) as client:
        for topic, payload, *_ in messages:
            client.publish(topic, payload)
        assert client.flush(PATIENCE_S)
        # The newest may be acknowledged before an older one.
        eventually(lambda: not client._client._out_messages, within=PATIENCE_S)


def command(*arguments: str | Path) -> list[str]:
    """The command line of `edge-agent`."""
    return [sys.executable, "-m", "edge_anomaly", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Where we were found, the agent is found too."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


class Agent:
    """`edge-agent --config FILE` as a process."""

    def __init__(self, config: Path) -> None:
        self._log = config.with_suffix(".log")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command("--config", config), stdout=log, stderr=log, env=environment()
            )

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit status; nothing where it has ended already."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


class Onlooker:
    """Everything that an agent publishes, as it comes."""

    def __init__(self, one: Peer, base: str) -> None:
        self._peer = one
        self._base = base

    def raw(self, leaf: str) -> list[bytes]:
        """Payloads on a topic of the agent, oldest first."""
        return [
            bytes(message.payload)
            for message in list(self._peer.messages)
            if message.topic == f"{self._base}/{leaf}"
        ]

    def all(self, leaf: str) -> list[dict[str, Any]]:
        return [msgspec.json.decode(payload) for payload in self.raw(leaf)]

    def retained(self, leaf: str) -> list[dict[str, Any]]:
        """What was there before the onlooker came."""
        return [
            msgspec.json.decode(message.payload)
            for message in list(self._peer.messages)
            if message.topic == f"{self._base}/{leaf}" and message.retain
        ]

    def scores(self) -> dict[tuple[str, int], float | None]:
        """Device and end of the window, ms: its score."""
        return {
            (score["device"], score["ts_ms"]): score["score"]
            for device in Compressors.devices
            for score in self.all(f"device/{device}/score")
        }

    def says(self, state: str) -> bool:
        """Whether `state` is the newest status."""
        said = self.all("status")
        return bool(said) and said[-1]["state"] == state


@contextmanager
def onlooker(url: str, base: str = BASE, *, name: str = "onlooker") -> Iterator[Onlooker]:
    with peer(url, name) as one:
        one.subscribe(f"{base}/#")
        yield Onlooker(one, base)


@contextmanager
def running(config: Path, watcher: Onlooker) -> Iterator[Agent]:
    """An agent that has said `online`."""
    agent = Agent(config)
    try:

        def online() -> bool:
            assert agent.process.poll() is None, agent.log
            return watcher.says("online")

        eventually(online, within=PATIENCE_S)
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait()
