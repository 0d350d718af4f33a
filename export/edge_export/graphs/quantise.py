"""Graphs of 8-bit weights beside those of float32, and what that does to the score.

Dynamic quantisation: weights of matrix products become int8 once, inputs uint8 at each run,
sums int32 (onnxruntime.quantization). A large dense network reads a quarter of the memory and is
as much faster; recurrent ones gain nothing and drift. Only large products are rounded: small ones
cost little, and all that a model says passes through the narrowest of them. Of 8192 inputs those
of 512 by 256 would make a run 4 % quicker and move the score by 1.2 % in the place of .6.
"""

import logging
import math
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Spec
from edge_export.data.recordings import Windows
from edge_export.graphs.answers import in_turns

__all__ = ["LARGEST_DRIFT", "drift", "quantised"]

LEAST_WEIGHTS = 1 << 18  # of a product that is rounded: a megabyte
LARGEST_DRIFT = 0.02  # of a score, relative; a graph that drifts further is not shipped


def quantised(graph: bytes) -> bytes | None:
    """The graph with its large weights in 8 bits, one scale an output; None where it has none."""
    model = onnx.load_from_string(graph)
    sizes = {weights.name: math.prod(weights.dims) for weights in model.graph.initializer}
    large = [
        # The quantiser turns a Gemm into a MatMul of that name first.
        node.name + ("_MatMul" if node.op_type == "Gemm" else "")
        for node in model.graph.node
        if node.op_type in {"Gemm", "MatMul"}
        and max(sizes.get(name, 0) for name in node.input) >= LEAST_WEIGHTS
    ]
    if not large:
        return None
    # The exporter's notes of shapes contradict those of the quantised graph, and the quantiser
    # stops at that.
    del model.graph.value_info[:]
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        before, after = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        onnx.save(model, before)
        level = logging.getLogger().level
        logging.getLogger().setLevel(logging.ERROR)  # the quantiser talks on the root logger
        try:
            quantize_dynamic(
                before,
                after,
                op_types_to_quantize=["MatMul"],  # not the tables of a scaler
                nodes_to_quantize=large,
                per_channel=True,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.getLogger().setLevel(level)
        return after.read_bytes()


def drift(spec: Spec, float32: Model, int8: Model, windows: Windows) -> float:
    """Largest difference that 8 bits make to a score of real windows, relative to it.

    A score below its threshold is held against the threshold: near 0 any difference is large.

    Args:
        spec: The bundle, complete but for its files.
        float32: Its graphs.
        int8: Those with weights of 8 bits.
        windows: In time order within each device.
    """
    windows = windows[in_turns(windows.device)]
    asked = windows.window, windows.device, windows.slot
    want, got = Scorer(spec, float32).score(*asked), Scorer(spec, int8).score(*asked)
    size = np.maximum(np.abs(want.score), want.threshold)
    return float((np.abs(got.score - want.score) / size).max())
