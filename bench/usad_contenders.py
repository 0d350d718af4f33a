"""`usad`'s scoring path in ONNX Runtime, TorchScript and eager torch, with random weights.

`default` runs encoder and first decoder and is told the time; `published` runs both decoders, as
its score asks for.
"""

from collections.abc import Callable
from functools import cache
from itertools import cycle
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT
from edge_anomaly.ports import Graph
from edge_export.families.usad_network import WISHES, Network, Sizes
from edge_export.graphs.exporting import to_onnx, to_torchscript
from edge_export.graphs.verify import TorchGraph, load

__all__ = ["BATCHES", "CONTENDERS", "PATHS", "PEER", "SEED", "SHIPPED", "WINDOWS", "turns"]

WINDOWS, BATCHES, PATHS = (16, 96), (1, 32, 128), ("default", "published")
SHIPPED, PEER = "ONNX Runtime", "eager torch"
CONTENDERS = (SHIPPED, "TorchScript", PEER)
SEED, SIGNALS = 0, 1
INPUTS = ("window", "device", "clock")


@cache
def network(path: str, window: int) -> Network:
    """Of the family's sizes; speed does not depend on training."""
    torch.set_num_threads(1)
    sizes = Sizes(
        window=window,
        latent=6,
        hidden=48,
        clock=True,
        adversary=0.2,
        both=path == "published",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        centre = np.zeros((1, SIGNALS), np.float32)
        return Network(centre, centre + 1, sizes).eval()


def feeds(window: int, size: int, count: int = 16) -> list[dict[str, NDArray[Any]]]:
    """The same random batches for every contender."""
    rng = np.random.default_rng(SEED)
    return [
        {
            "window": rng.normal(size=(size, window, SIGNALS)).astype(np.float32),
            "device": np.zeros(size, np.int64),
            "clock": rng.uniform(-1, 1, (size, window, 4)).astype(np.float32),
        }
        for _ in range(count)
    ]


@cache
def contender(name: str, path: str, window: int) -> Graph:
    """One of CONTENDERS."""
    module = network(path, window)
    if name == PEER:
        return TorchGraph(module, INPUTS)
    if name == "TorchScript":
        return load(TORCHSCRIPT, to_torchscript(module))
    example = {name: torch.from_numpy(value) for name, value in feeds(window, 3, 1)[0].items()}
    return load(ONNX, to_onnx(module, example, ("observed", "expected"), wishes=WISHES))


def turns(graph: Graph, some: list[dict[str, NDArray[Any]]]) -> Callable[[], object]:
    """Runs the next of `some` at each call."""
    endless = cycle(some)
    return lambda: graph.run(next(endless))
