"""Ways to run one encoder and K heads: the exports, and what they are measured against.

`grouped` runs only the heads that a batch needs; `naive` runs every head on the whole batch
and then picks, as the published compressor system does. All answer alike, which the benchmark
checks before it starts its clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor, nn

from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT
from edge_anomaly.ports import Graph
from edge_export.families import lstm_ae_onnx, lstm_ae_weights
from edge_export.families.lstm_ae import Config, LstmAe, Scaler
from edge_export.families.lstm_ae_torchscript import to_torchscript
from edge_export.graphs.verify import TorchGraph, load

__all__ = ["BATCHES", "CONTENDERS", "DEVICES", "PEER", "Batch", "batches", "contender", "turns"]

DEVICES, BATCHES = (1, 8, 100), (1, 32, 128)
SIGNALS, SEED = 19, 0
SHIPPED, PEER = "ONNX Runtime, grouped", "eager torch, naive"
CONTENDERS = (
    SHIPPED,
    "TorchScript, grouped",
    "eager torch, grouped",
    "ONNX Runtime, naive",
    PEER,
)


@dataclass(frozen=True)
class Batch:
    """Windows of devices drawn at random."""

    window: NDArray[np.float32]  # (B, W, C)
    device: NDArray[np.int64]  # (B,)

    @property
    def feed(self) -> dict[str, NDArray[Any]]:
        """What a graph is given."""
        return {"window": self.window, "device": self.device}


class Naive(nn.Module):
    """Every head on the whole batch, then each window's own answer."""

    def __init__(self, trained: LstmAe) -> None:
        super().__init__()
        self.trained = trained

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor]:
        """As `LstmAe.forward`."""
        scaled = self.trained.scaler(window, device)
        latent = self.trained.encoder(scaled)
        steps = self.trained.config.window
        every = torch.stack([head(latent, steps)[:, -1] for head in self.trained.heads])
        picked = every[device, torch.arange(len(device))]  # (K, B, C) -> (B, C)
        return scaled[:, -1:], picked.unsqueeze(1)


@cache
def contender(name: str, devices: int) -> Graph:
    """One of CONTENDERS with random weights of full size: speed does not depend on training."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        scaler = Scaler(torch.randn(devices, SIGNALS), torch.rand(devices, SIGNALS) + 0.5, 3.0)
        trained = LstmAe(scaler, Config()).eval()
    if name == SHIPPED:
        return load(ONNX, _graph(trained))
    if name == "ONNX Runtime, naive":
        return load(ONNX, _naive_graph(_graph(trained), lstm_ae_weights.stack(trained)))
    if name == "TorchScript, grouped":
        return load(TORCHSCRIPT, to_torchscript(trained))
    return TorchGraph(Naive(trained) if name == PEER else trained)


def batches(devices: int, size: int, count: int = 16) -> list[Batch]:
    """The same random batches for every contender."""
    rng = np.random.default_rng(SEED)
    shape = (size, Config().window, SIGNALS)
    return [
        Batch(rng.normal(size=shape).astype(np.float32), rng.integers(0, devices, size))
        for _ in range(count)
    ]


def turns(graph: Graph, some: list[Batch]) -> Callable[[], object]:
    """Runs the next of `some` at each call."""
    endless = cycle(some)

    def run() -> object:
        batch = next(endless)
        return graph.run(batch.feed)

    return run


def _graph(trained: LstmAe) -> bytes:
    names = [f"m{c:02d}" for c in range(1, SIGNALS + 1)]
    return lstm_ae_onnx.build(lstm_ae_weights.stack(trained), trained.config.window, names)


def _naive_graph(grouped: bytes, w: lstm_ae_weights.Weights) -> bytes:
    """The grouped graph with its loop replaced by all heads side by side, weights constant."""
    model, node = onnx.load_from_string(grouped), helper.make_node
    kept = [n for n in model.graph.node if n.op_type not in {"Unique", "Size", "Loop"}]
    kept = [n for n in kept if n.output[0] not in {"room", "expected"}]
    nodes = [
        node("Unsqueeze", ["latent", "index.zero"], ["latent_1"]),
        node("Expand", ["latent_1", "index.steps"], ["repeated"]),  # (W, B, latent)
    ]
    inner, outer = w["heads.inner.R"].shape[2], w["heads.outer.R"].shape[2]
    heads = range(len(w["heads.dense.bias"]))
    for d in heads:
        part = {name: f"{d}.{name}" for name in w if name.startswith("heads.")}
        model.graph.initializer.extend(
            numpy_helper.from_array(w[name][d : d + 1], own) for name, own in part.items()
        )
        first, second = ([part[f"heads.{at}.{x}"] for x in "WRB"] for at in ("inner", "outer"))
        nodes += [
            node("LSTM", ["repeated", *first], [f"{d}.y"], hidden_size=inner),
            node("Squeeze", [f"{d}.y", "index.one"], [f"{d}.steps"]),
            node("LSTM", [f"{d}.steps", *second], ["", f"{d}.h"], hidden_size=outer),
            node("MatMul", [f"{d}.h", part["heads.dense.weight"]], [f"{d}.product"]),
            node("Add", [f"{d}.product", part["heads.dense.bias"]], [f"{d}.out"]),  # (1, B, C)
        ]
    nodes += [
        node("Concat", [f"{d}.out" for d in heads], ["every"], axis=0),  # (K, B, C)
        node("Transpose", ["every"], ["by_window"], perm=[1, 0, 2]),
        node("Unsqueeze", ["device", "index.one"], ["which"]),  # (B, 1)
        node("GatherND", ["by_window", "which"], ["picked"], batch_dims=1),  # (B, C)
        node("Unsqueeze", ["picked", "index.one"], ["expected"]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*kept, *nodes])
    stacked = [t for t in model.graph.initializer if t.name.startswith("heads.")]
    for tensor in stacked:
        model.graph.initializer.remove(tensor)
    content: bytes = model.SerializeToString()
    return content
