"""Ways to run the `vae` of 8192 inputs: what ships, and what it is measured against."""

from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_anomaly.files.bundle import ONNX, ONNX_INT8, TORCHSCRIPT
from edge_anomaly.ports import Graph
from edge_export.families.vae import Config, Vae
from edge_export.families.vae_bundle import graph
from edge_export.graphs.exporting import to_torchscript
from edge_export.graphs.quantise import quantised
from edge_export.graphs.verify import TorchGraph, load

__all__ = ["BATCHES", "CONTENDERS", "PEER", "SHIPPED", "contender", "feeds", "turns"]

BATCHES = (1, 8, 32, 128)
SEED = 0
SHIPPED, PEER = "ONNX Runtime, 8 bits", "eager torch"
CONTENDERS = (SHIPPED, "ONNX Runtime", "TorchScript", PEER)

Feed = dict[str, NDArray[Any]]


@cache
def _model() -> Vae:
    """Random weights of full size: speed does not depend on training."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return Vae(torch.zeros(2, 2048, 4), torch.ones(2, 2048, 4), Config()).eval()


@cache
def _graph(runtime: str) -> bytes:
    if runtime == TORCHSCRIPT:
        return to_torchscript(_model())
    if runtime == ONNX:
        return graph(_model())
    small = quantised(_graph(ONNX))
    if small is None:
        raise ValueError("nothing to quantise")
    return small


@cache
def contender(name: str) -> Graph:
    """One of CONTENDERS."""
    if name == PEER:
        return TorchGraph(_model(), outputs=("observed", "expected", "latent"))
    runtime = {SHIPPED: ONNX_INT8, "ONNX Runtime": ONNX, "TorchScript": TORCHSCRIPT}[name]
    return load(runtime, _graph(runtime))


def feeds(size: int, count: int = 8) -> list[Feed]:
    """The same random batches for every contender, of two devices."""
    rng = np.random.default_rng(SEED)
    return [
        {
            "window": rng.standard_normal((size, 2048, 4)).astype(np.float32),
            "device": rng.integers(0, 2, size),
        }
        for _ in range(count)
    ]


def turns(model: Graph, some: list[Feed]) -> Callable[[], object]:
    """A call that runs the next of some batches."""
    order = cycle(some)
    return lambda: model.run(next(order))
