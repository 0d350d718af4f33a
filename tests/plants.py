"""A plant small enough to reckon by hand: its bundle, its model, its readings.

Two devices with two signals, a reading a second, windows of four. Healthy signals stand
at 10; the model expects the mean of the window without its last step, and a window's
score is the larger of the two signals' distances from that, in deviations of 1.
"""

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.core import Core
from edge_anomaly.files.bundle import (
    CALIBRATION,
    GOLDEN,
    MANIFEST,
    Bundle,
    File,
    Manifest,
    dump_manifest,
    open_bundle,
    parse_manifest,
)
from edge_anomaly.files.config import Config, parse
from edge_anomaly.monitor import Monitor
from edge_anomaly.ports import Graph, Model
from edge_anomaly.values import Message, Publish

__all__ = [
    "CONFIG",
    "DEVICES",
    "GRAPH",
    "SECOND",
    "SIGNALS",
    "START",
    "WINDOW",
    "Expecting",
    "agent",
    "bundle",
    "bundle_files",
    "config",
    "feed",
    "fresh_core",
    "message",
    "model",
    "npz",
    "of",
    "sealed",
]

SECOND = 10**9
START = 1_700_000_000 * SECOND
DEVICES = ("c-1", "c/2")
SIGNALS = ("flow", "temp")
WINDOW = 4
GRAPH = "mean.onnx"
RECIPE = [{"stage": "residual"}, {"stage": "standardise"}, {"stage": "reduce", "largest": 1}]
SMOOTHED = [*RECIPE, {"stage": "combine"}, {"stage": "smooth", "minutes": 0.1}]

CONFIG = """\
site: north
agent: gw
broker: {url: "embedded:"}
inputs:
  - topic: plant/{device}/{signal}
    time: {path: t}
    lateness: 0s
    max_gap: 2s
  - topic: wide
    value: v
    device: id
    time: {path: t}
    lateness: 0s
    max_gap: 2s
models:
  - bundle: small
    devices: ["c*"]
alarms:
  raise: {above: 1.0, windows: 3}
  clear: {below: 0.8, windows: 2}
  severities: {warning: 1.0, critical: 3.0}
"""


class Expecting:
    """A graph: the last step of the window, and the mean of those before it."""

    provider = "by hand"
    inputs = ("window",)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        window = feed["window"]
        self.batches.append(len(window))
        return {
            "observed": window[:, -1:, :],
            "expected": window[:, :-1, :].mean(axis=1, keepdims=True, dtype=np.float32),
        }


def model(graph: Graph | None = None) -> Model:
    """The plant's model, with a graph of its own or another."""
    return Model({"main": graph or Expecting()})


def npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **arrays)
    return file.getvalue()


def bundle_files(*, smoothed: bool = False, min_coverage: float = 0.8) -> dict[str, bytes]:
    """The files of the bundle, as a folder would hold them."""
    devices, signals = len(DEVICES), len(SIGNALS)
    recipe = SMOOTHED if smoothed else RECIPE
    row = np.ones((devices, signals), np.float32)
    window = np.full((3, WINDOW, signals), 10.0, np.float32)
    window[:, -1, 0] += [0.0, 1.0, 4.0]
    answers = Expecting().run({"window": window})
    files = {
        GRAPH: b"a graph",
        CALIBRATION: npz(
            {
                "threshold": np.ones(devices, np.float32),
                "centre": row * 0,
                "scale": row,
                "fill": row * 10,
                "1.standardise.mean": np.zeros((devices, 1, signals), np.float32),
                "1.standardise.deviation": np.ones((devices, 1, signals), np.float32),
                "4.smooth.scale": np.ones((devices, 1, 2), np.float32),
            }
        ),
        GOLDEN: npz(
            {
                "signals": np.array(SIGNALS),
                "window": window,
                "device": np.zeros(3, np.int64),
                "observed": answers["observed"],
                "expected": answers["expected"],
                "score": np.array([0.0, 1.0, 4.0], np.float32),
            }
        ),
    }
    manifest = {
        "schema": "edge-agent.bundle/1",
        "name": "small",
        "version": "1",
        "family": "mean",
        "signals": [{"name": "flow", "unit": "m3/h"}, {"name": "temp"}],
        "devices": list(DEVICES),
        "period_ns": SECOND,
        "min_coverage": min_coverage,
        "branches": [{"name": "main", "window": WINDOW, "graphs": {"onnx": GRAPH}}],
        "recipe": recipe,
        "threshold": {"rule": "quantile", "parameter": 0.99, "windows": 100},
        "files": {name: {"sha256": "0" * 64} for name in files},
        "provenance": {"created": "now", "command": "by hand", "data_sha256": "0", "seed": 0},
    }
    text = dump_manifest(msgspec.convert(manifest, Manifest))
    return sealed(files | {MANIFEST: text.encode()})


def sealed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`files` with a manifest whose digests are theirs."""
    manifest = parse_manifest(files[MANIFEST])
    digests = {
        name: File(sha256=hashlib.sha256(files[name]).hexdigest()) for name in manifest.files
    }
    text = dump_manifest(msgspec.structs.replace(manifest, files=digests))
    return {**files, MANIFEST: text.encode()}


def bundle(**options: Any) -> Bundle:
    return open_bundle(bundle_files(**options))


def config(old: str = "", new: str = "") -> Config:
    assert old in CONFIG
    return parse(CONFIG.replace(old, new) if old else CONFIG)


def agent(rules: Config | None = None, **options: Any) -> tuple[Core, Monitor]:
    """A core with its one monitor."""
    rules = rules or config()
    monitor = Monitor(bundle(**options), model(), rules.models[0], rules.inputs)
    return Core(rules, [monitor], version="1.2.3", config_sha256="c0ffee"), monitor


def fresh_core(rules: Config | None = None, **options: Any) -> Core:
    return agent(rules, **options)[0]


def message(
    second: float, value: object, *, device: str = "c-1", signal: str | None = None
) -> Message:
    """A reading of one signal, or of both, `second` seconds from the start."""
    t = START / SECOND + second
    if signal is not None:
        body = msgspec.json.encode({"t": t, "value": value})
        return Message(f"plant/{device}/{signal}", body)
    both = dict.fromkeys(SIGNALS, value) if not isinstance(value, dict) else value
    return Message("wide", msgspec.json.encode({"id": device, "t": t, "v": both}))


def feed(core: Core, flow: Iterable[float], *, start: int = 0, device: str = "c-1") -> list[Any]:
    """The events that `flow` makes, a reading a second, while the temperature stands at 10."""
    sent = []
    second = start
    for second, value in enumerate(flow, start):
        messages = [message(second, {"flow": value, "temp": 10.0}, device=device)]
        sent += core.receive(messages, START + second * SECOND)
    sent += core.tick(START + second * SECOND + 1)
    return of(sent, "event")


def of(sent: Iterable[Publish], leaf: str) -> list[Any]:
    """The payloads of what was sent to topics that end in `leaf`."""
    return [msgspec.json.decode(one.payload) for one in sent if one.topic.endswith(f"/{leaf}")]
