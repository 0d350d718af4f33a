"""An agent as a process on an embedded broker, with readings to feed it, for measuring."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

import edge_anomaly.plants
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.plants import PERIOD_S, Compressors, Fault, Kind
from edge_anomaly.simulate import START_S
from edge_anomaly.values import Message

__all__ = ["BUNDLE", "Agent", "Watcher", "agent", "config", "faulty", "messages", "watching"]

BUNDLE = Path(edge_anomaly.plants.__file__).parent / "bundles" / "compressors"
BASE = "edge-agent/v1/bench/gw"
PATIENCE_S = 120.0
CONFIG = """\
site: bench
agent: gw
broker: {{url: "{url}"}}
inputs:
  - topic: plant/{{device}}/{{signal}}
    value: v
    time: {{path: t, unit: s}}
    lateness: {lateness}
    max_gap: 3min
    qos: {qos}
models:
  - bundle: {bundle}
    devices: ["c-*"]
"""


def config(url: str, *, lateness: str = "0s", qos: int = 1, store: str = "") -> str:
    """The text of a plant.yaml on the demo's bundle."""
    text = CONFIG.format(url=url, lateness=lateness, qos=qos, bundle=BUNDLE)
    return text + f"store: {{path: state, synchronous: {store}}}\n" if store else text


def messages(
    values: NDArray[np.float32], devices: tuple[str, ...] = Compressors.devices
) -> list[list[Message]]:
    """One message a reading, slot by slot, of (slots, devices, signals)."""
    return [
        [
            Message(
                f"plant/{device}/{signal}",
                msgspec.json.encode({"t": START_S + slot * PERIOD_S, "v": value}),
            )
            for device, row in zip(devices, machines, strict=True)
            for signal, value in zip(Compressors.signals, row, strict=True)
        ]
        for slot, machines in enumerate(values.astype(np.float64).tolist())
    ]


def faulty(slots: int) -> NDArray[np.float32]:
    """Readings of c-1 with a fault every 100 slots, shape (slots, 1, signals)."""
    faults = [
        Fault.of(Kind.PRIMARY_SEAL_LEAK, "c-1", (start, start + 30), size=2.2)
        for start in range(50, slots, 100)
    ]
    return Compressors(3, faults).step(slots)[1][:, :1]


class Watcher:
    """When the agent said what: arrival in the subscriber's thread, seconds."""

    def __init__(self) -> None:
        self.scores: dict[tuple[str, int], float] = {}  # device and end of the window, ms
        self.events: dict[tuple[str, int], float] = {}
        self.state = ""
        self._news = threading.Condition()

    def take(self, topic: str, payload: bytes) -> None:
        """A message of the agent."""
        now = time.perf_counter()
        leaf = topic.rpartition("/")[2]
        body = msgspec.json.decode(payload)
        with self._news:
            if leaf == "score":
                self.scores[body["device"], body["ts_ms"]] = now
            elif leaf == "event":
                self.events[body["device"], body["ts_ms"]] = now
            elif leaf == "status":
                self.state = body["state"]
            self._news.notify_all()

    def wait_for_score(self, device: str, slot: int) -> float:
        """When it was there."""
        key = device, round((START_S + (slot + 1) * PERIOD_S) * 1000)
        with self._news:
            if not self._news.wait_for(lambda: key in self.scores, PATIENCE_S):
                raise TimeoutError(f"no score of {device} for slot {slot}")
            return self.scores[key]

    def wait_for_state(self, state: str) -> None:
        """Return once the newest status is `state`."""
        with self._news:
            if not self._news.wait_for(lambda: self.state == state, PATIENCE_S):
                raise TimeoutError(f"the agent is not {state}")


class Agent:
    """A running agent, as the kernel sees it."""

    def __init__(self, process: subprocess.Popen[bytes], start_s: float) -> None:
        self.process = process
        self.start_s = start_s  # from exec to a retained `online` at a subscriber

    @property
    def rss_mb(self) -> float:
        """Resident memory, 10^6 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) * 1024 / 1e6

    @property
    def cpu_s(self) -> float:
        """Processor time of all its threads so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def mapped(self) -> set[str]:
        """Names of the files that it has mapped, shared libraries among them."""
        maps = Path(f"/proc/{self.process.pid}/maps").read_text("utf-8")
        return {line.split(maxsplit=5)[5] for line in maps.splitlines() if line.count("/")}


@contextmanager
def agent(text: str, watcher: Watcher, *, kernels: Path | None = None) -> Iterator[Agent]:
    """`edge-agent --config` with this config, from `online` on; ended on the way out.

    Args:
        text: The config.
        watcher: Subscribed to the agent's topics.
        kernels: The folder of compiled kernels; by default wherever they are.
    """
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if kernels is not None:
        variables["NUMBA_CACHE_DIR"] = str(kernels)
    watcher.state = ""
    with tempfile.TemporaryDirectory(prefix="edge-agent-bench-") as folder:
        file = Path(folder, "plant.yaml")
        file.write_text(text, "utf-8")
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_anomaly", "--config", str(file)],
            stderr=subprocess.DEVNULL,
            env=variables,
        )
        try:
            watcher.wait_for_state("online")
            yield Agent(process, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def watching(url: str) -> Iterator[Watcher]:
    """A subscriber to everything that the agent says."""
    watcher = Watcher()
    with PlainClient(url, [f"{BASE}/#"], watcher.take):
        yield watcher
