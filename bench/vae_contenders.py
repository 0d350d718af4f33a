"""Ways to run the `vae` of 8192 inputs: what ships, and what it is measured against."""

import json
import math
from collections.abc import Callable
from functools import cache
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)
from torch import nn

from edge_anomaly.files.bundle import ONNX, ONNX_INT8, TORCHSCRIPT
from edge_anomaly.ports import Graph
from edge_export.families.vae import Config, Vae
from edge_export.families.vae_bundle import graph
from edge_export.graphs.exporting import to_torchscript
from edge_export.graphs.quantise import LEAST_WEIGHTS, quantised
from edge_export.graphs.verify import TorchGraph, load

__all__ = [
    "BATCHES",
    "CONTENDERS",
    "PEER",
    "SHIPPED",
    "SMALLEST",
    "by_operation",
    "contender",
    "feeds",
    "turns",
    "weights",
]

BATCHES = (1, 8, 32, 128)
SEED = 0
SHIPPED, PEER = "ONNX Runtime, 8 bits", "eager torch"
SMALLEST, WHOLE = "ONNX Runtime, 4 bits", "ONNX Runtime"
CONTENDERS = (SHIPPED, SMALLEST, WHOLE, "TorchScript", PEER)
BLOCK = 32  # weights of 4 bits that share a scale: larger ones move the score by more than 2 %

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
    if runtime == SMALLEST:
        return _of_4_bits(_graph(ONNX))
    small = quantised(_graph(ONNX))
    if small is None:
        raise ValueError("nothing to quantise")
    return small


@cache
def contender(name: str) -> Graph:
    """One of CONTENDERS."""
    if name == PEER:
        return TorchGraph(_model(), outputs=("observed", "expected", "latent"))
    if name == SMALLEST:
        return load(ONNX, _graph(SMALLEST))
    runtime = {SHIPPED: ONNX_INT8, WHOLE: ONNX, "TorchScript": TORCHSCRIPT}[name]
    return load(runtime, _graph(runtime))


def weights() -> int:
    """Of the products, without biases."""
    return sum(layer.weight.numel() for layer in _model().modules() if isinstance(layer, nn.Linear))


def by_operation(name: str, size: int, rounds: int = 20) -> dict[str, float]:
    """Microseconds of a run of one of ONNX Runtime's by kind of operation; medians."""
    graph_of = {SHIPPED: ONNX_INT8, WHOLE: ONNX, SMALLEST: SMALLEST}[name]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "run"))
        session = onnxruntime.InferenceSession(
            _graph(graph_of), options, providers=["CPUExecutionProvider"]
        )
        for feed in feeds(size, rounds):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    spent: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event["name"].endswith("_kernel_time"):
            spent.setdefault((event["args"]["op_name"], event["name"]), []).append(event["dur"])
    found: dict[str, float] = {}
    for (kind, _), durations in spent.items():
        found[kind] = found.get(kind, 0.0) + float(np.median(durations))
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


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


def _of_4_bits(content: bytes) -> bytes:
    """The graph with its large weights in 4 bits, `BLOCK` of them to a scale."""
    model = onnx.load_from_string(content)
    arrays = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        large = node.op_type == "Gemm" and math.prod(arrays[node.input[1]].dims) >= LEAST_WEIGHTS
        if not large:
            nodes.append(node)
            continue
        (answer,), (rows, name, bias) = node.output, node.input
        # Gemm holds its weights as (out, in); the quantiser looks for MatMul's (in, out).
        turned = np.ascontiguousarray(numpy_helper.to_array(arrays[name]).T)
        model.graph.initializer.remove(arrays[name])
        model.graph.initializer.append(numpy_helper.from_array(turned, name))
        nodes += [
            helper.make_node("MatMul", [rows, name], [f"{answer}.product"], name=f"{answer}.large"),
            helper.make_node("Add", [f"{answer}.product", bias], [answer]),
        ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    how = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, accuracy_level=4)
    quantiser = MatMulNBitsQuantizer(model, algo_config=how)
    quantiser.process()
    small: bytes = quantiser.model.model.SerializeToString()
    return small


def turns(model: Graph, some: list[Feed]) -> Callable[[], object]:
    """A call that runs the next of some batches."""
    order = cycle(some)
    return lambda: model.run(next(order))
