"""What every part of the proof runs on: eight machines with faults, and what came of them.

The bundle of eight application servers that ships with configs/servers.yaml; each machine
swings to and fro through its healthy golden windows, and now and then three of its signals
are off for a while.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.values import Message

__all__ = [
    "BASE",
    "BUNDLE",
    "DEVICES",
    "PERIOD_S",
    "START_S",
    "Ledger",
    "config",
    "messages",
    "plain",
    "readings",
    "send",
]

BUNDLE = Path(__file__).parents[2] / "configs" / "bundles" / "servers"
BASE = "edge-agent/v1/proof/gw"
DEVICES = tuple(f"omi-{number}" for number in range(1, 9))
PERIOD_S = 300
START_S = 1_700_000_100  # a multiple of the period
FAULT_EVERY, FAULT_LASTS = 60, 12  # slots
CONFIG = """\
site: proof
agent: gw
broker: {{url: "{url}", session_expiry: 1h, keepalive: 15s}}
inputs:
  - topic: plant/{{device}}
    value: v
    time: {{path: t, unit: s}}
    lateness: {lateness}
    max_gap: 30min
    qos: {qos}
models:
  - bundle: {bundle}
    devices: ["omi-*"]
{more}
"""


def config(url: str, *, lateness: str = "0s", qos: int = 1, more: str = "") -> str:
    """The text of a plant.yaml; `more` is added at its end."""
    return CONFIG.format(url=url, lateness=lateness, qos=qos, bundle=BUNDLE, more=more)


def readings(slots: int, seed: int) -> NDArray[np.float64]:
    """Values of all machines, (slots, 8, 19)."""
    noise = np.random.default_rng(seed)
    golden = np.load(BUNDLE / "golden.npz")
    spread = np.load(BUNDLE / "calibration.npz")["scale"]
    values = np.empty((slots, len(DEVICES), spread.shape[1]))
    for device in range(len(DEVICES)):
        [window, *_] = (
            golden["window"][golden["device"] == device]
            if (golden["device"] == device).any()
            else golden["window"][:1]
        )
        there_and_back = np.concatenate([window, window[::-1]])
        values[:, device] = there_and_back[np.arange(slots) % len(there_and_back)]
        values[:, device] += noise.normal(0.0, 0.01, values[:, device].shape) * spread[device]
        for start in range(40 + 7 * device, slots, FAULT_EVERY):
            signals = noise.choice(spread.shape[1], 3, replace=False)
            values[start : start + FAULT_LASTS, device, signals] += 1.5 * spread[device, signals]
    return values.astype(np.float32).astype(np.float64)


def messages(slots: int, seed: int) -> list[list[Message]]:
    """One message a machine and slot, slot by slot."""
    names = [f"m{number:02}" for number in range(1, 20)]
    return [
        [
            Message(
                f"plant/{device}",
                msgspec.json.encode(
                    {
                        "t": START_S + slot * PERIOD_S,
                        "v": dict(zip(names, map(float, row), strict=True)),
                    }
                ),
            )
            for device, row in zip(DEVICES, machines, strict=True)
        ]
        for slot, machines in enumerate(readings(slots, seed))
    ]


class Ledger:
    """A subscriber's account of all that an agent says; `take` is called with each message."""

    def __init__(self, base: str = BASE) -> None:
        self._base = base
        self._lock = threading.Lock()
        self.events: dict[tuple[str, int], dict[str, Any]] = {}  # by id and seq, first seen first
        self.scores: dict[tuple[str, int], float | None] = {}  # by device and end, ms
        self.repeated = Counter[str]()  # deliveries beyond the first
        self.contradicted: list[str] = []  # repetitions that say something else
        self.errors = Counter[str]()  # readings that were not used, by reason
        self.statuses: list[str] = []
        self.states: dict[str, str] = {}  # of the devices
        self.order: list[tuple[str, int, bool]] = []  # id, seq, replayed: as they came

    def take(self, topic: str, payload: bytes) -> None:
        """Note one message."""
        leaf = topic.removeprefix(f"{self._base}/")
        said = msgspec.json.decode(payload) if payload else {}
        with self._lock:
            if leaf == "event":
                self._event(said)
            elif leaf.endswith("/score"):
                key = said["device"], said["ts_ms"]
                self.repeated["score"] += key in self.scores
                self.scores[key] = said["score"]
            elif leaf.endswith("/state"):
                self.states[said["device"]] = said["state"]
            elif leaf == "error":
                self.errors[said["code"]] += said["count"]
            elif leaf == "status":
                self.statuses.append(said["state"])

    def _event(self, said: dict[str, Any]) -> None:
        key = said["event_id"], said["seq"]
        self.order.append((*key, said["replayed"]))
        if key in self.events:
            self.repeated["event"] += 1
            if plain(said) != plain(self.events[key]):
                self.contradicted.append(f"{key}")
        else:
            self.events[key] = said

    def in_order(self) -> bool:
        """Whether no event came before the one that it follows."""
        newest: dict[str, int] = {}
        for event_id, seq, _ in self.order:
            if seq > newest.get(event_id, 0) + 1:
                return False
            newest[event_id] = max(seq, newest.get(event_id, 0))
        return True

    def online(self) -> bool:
        """Whether the newest status is `online`."""
        return bool(self.statuses) and self.statuses[-1] == "online"


def plain(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what may differ between two runs: when it was published, and roundings."""
    kept = {
        name: value
        for name, value in event.items()
        if name not in {"publish_ts", "replayed", "message", "contributors"}
    }
    for name in ("score", "threshold", "peak_score"):
        kept[name] = float(f"{event[name]:.3g}")
    return kept


def send(url: str, many: Sequence[Message], *, flush_s: float = 120.0) -> None:
    """Publish at QoS 1 and wait until the broker has all of them."""
    with PlainClient(url) as client:
        for topic, payload, *_ in many:
            client.publish(topic, payload)
        if not client.flush(flush_s):
            raise RuntimeError("the broker did not take everything")
