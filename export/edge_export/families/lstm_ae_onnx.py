"""`lstm-ae` as one ONNX graph that runs the encoder once and only the heads a batch needs.

Built node by node: the exporter would put every head, or the reordering of gates, into each
run. The heads' weights lie stacked by device in initializers, already in ONNX's gate order; a
Loop over the devices that occur in the batch gathers one head's weights, runs it on its rows
and scatters the answers back. The graph therefore also is the file that keeps the weights:
`weights_of` reads them back, bit for bit, so that no pickle is needed.
"""

import json
from collections.abc import Sequence

import numpy as np
import onnx
from google.protobuf.message import (
    DecodeError,
)
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_anomaly.wishes import Wishes
from edge_export.families.lstm_ae_weights import Weights
from edge_export.graphs.opset import IR_VERSION, OPSET

__all__ = ["build", "weights_of"]

# Two threads with one session wait for each other at every node of the loop, else.
WISHES = Wishes(arena=False)


def build(weights: Weights, window: int, signals: Sequence[str]) -> bytes:
    """The graph as a serialised ONNX model.

    Inputs `window` float32 (B, W, C) in engineering units and `device` int64 (B,); outputs
    `observed` and `expected` float32 (B, 1, C), the last step in scaled units.

    Args:
        weights: As `edge_export.families.lstm_ae_weights.stack` gives them.
        window: W, slots.
        signals: C names, kept in the model's metadata.
    """
    channels = len(signals)
    graph = helper.make_graph(
        [*_scale(), *_encode(weights), *_decode(weights)],
        "lstm-ae",
        [
            helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", window, channels]),
            helper.make_tensor_value_info("device", TensorProto.INT64, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("observed", TensorProto.FLOAT, ["batch", 1, channels]),
            helper.make_tensor_value_info("expected", TensorProto.FLOAT, ["batch", 1, channels]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()]
        + [numpy_helper.from_array(value, name) for name, value in _indices(window).items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edge-export",
    )
    helper.set_model_props(
        model,
        {
            "family": "lstm-ae",
            "signals": json.dumps(list(signals)),
            "window": str(window),
            **WISHES.properties,
        },
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def weights_of(content: bytes) -> tuple[Weights, int]:
    """The weights and the window of a graph that `build` made.

    Raises:
        ValueError: It is no such graph.
    """
    try:
        model = onnx.load_from_string(content)
    except DecodeError as exc:
        raise ValueError(f"not an ONNX model: {exc}") from exc
    props = {entry.key: entry.value for entry in model.metadata_props}
    if props.get("family") != "lstm-ae":
        raise ValueError("not a graph of the family lstm-ae")
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: value for name, value in arrays.items() if not name.startswith("index.")}
    return weights, int(props["window"])


def _indices(window: int) -> dict[str, NDArray[np.int64]]:
    """The small integers that the nodes below take as inputs."""
    values = {
        "zero": [0],
        "one": [1],
        "last": [-1],
        "end": [np.iinfo(np.int64).max],
        "steps": [window, 1, 1],
    }
    return {f"index.{name}": np.array(value, np.int64) for name, value in values.items()}


def _scale() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Gather", ["scaler.centre", "device"], ["centre_row"]),  # (B, C)
        node("Gather", ["scaler.scale", "device"], ["scale_row"]),
        node("Unsqueeze", ["centre_row", "index.one"], ["centre"]),  # (B, 1, C)
        node("Unsqueeze", ["scale_row", "index.one"], ["scale"]),
        node("Sub", ["window", "centre"], ["centred"]),
        node("Div", ["centred", "scale"], ["unclipped"]),
        node("Neg", ["scaler.clip"], ["lowest"]),
        node("Clip", ["unclipped", "lowest", "scaler.clip"], ["scaled"]),  # (B, W, C)
        node("Slice", ["scaled", "index.last", "index.end", "index.one"], ["observed"]),
    ]


def _encode(weights: Weights) -> list[onnx.NodeProto]:
    node = helper.make_node
    outer, inner = (weights[f"encoder.{name}.R"].shape[2] for name in ("outer", "inner"))
    return [
        node("Transpose", ["scaled"], ["steps_first"], perm=[1, 0, 2]),  # (W, B, C)
        node("LSTM", ["steps_first", *_wrb("encoder.outer")], ["outer_y"], hidden_size=outer),
        node("Squeeze", ["outer_y", "index.one"], ["outer_steps"]),  # (W, B, outer)
        node("LSTM", ["outer_steps", *_wrb("encoder.inner")], ["", "inner_h"], hidden_size=inner),
        node("Squeeze", ["inner_h", "index.zero"], ["inner_last"]),  # (B, inner)
        node("MatMul", ["inner_last", "encoder.dense.weight"], ["latent_product"]),
        node("Add", ["latent_product", "encoder.dense.bias"], ["latent"]),  # (B, latent)
    ]


def _decode(weights: Weights) -> list[onnx.NodeProto]:
    node = helper.make_node
    inner, outer = (weights[f"heads.{name}.R"].shape[2] for name in ("inner", "outer"))
    gathered = [name for name in weights if name.startswith("heads.")]
    body = helper.make_graph(
        [
            node("Unsqueeze", ["turn", "index.zero"], ["turn_1"]),
            node("Gather", ["present", "turn_1"], ["head"]),  # (1,)
            node("Equal", ["device", "head"], ["mine"]),
            node("NonZero", ["mine"], ["rows_1"]),  # (1, n)
            node("Transpose", ["rows_1"], ["rows"], perm=[1, 0]),  # (n, 1)
            node("Gather", ["latent", "rows_1"], ["my_latent"]),  # (1, n, latent)
            node("Expand", ["my_latent", "index.steps"], ["repeated"]),  # (W, n, latent)
            *(node("Gather", [name, "head"], [f"my.{name}"]) for name in gathered),
            node("LSTM", ["repeated", *_wrb("my.heads.inner")], ["inner_y"], hidden_size=inner),
            node("Squeeze", ["inner_y", "index.one"], ["inner_steps"]),  # (W, n, inner)
            node(
                "LSTM", ["inner_steps", *_wrb("my.heads.outer")], ["", "outer_h"], hidden_size=outer
            ),  # (1, n, outer): only the last step is scored
            node("MatMul", ["outer_h", "my.heads.dense.weight"], ["head_product"]),  # (1, n, C)
            node("Add", ["head_product", "my.heads.dense.bias"], ["head_out_1"]),
            node("Squeeze", ["head_out_1", "index.zero"], ["head_out"]),  # (n, C)
            node("ScatterND", ["so_far", "rows", "head_out"], ["filled"]),
            node("Identity", ["go"], ["go_on"]),
        ],
        "one_head",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("so_far", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("filled", TensorProto.FLOAT, None),
        ],
    )
    return [
        node("Unique", ["device"], ["present"], sorted=1),
        node("Size", ["present"], ["turns"]),
        node("Squeeze", ["observed", "index.one"], ["room"]),  # (B, C), every row overwritten
        node("Loop", ["turns", "", "room"], ["decoded"], body=body),
        node("Unsqueeze", ["decoded", "index.one"], ["expected"]),  # (B, 1, C)
    ]


def _wrb(name: str) -> list[str]:
    return [f"{name}.W", f"{name}.R", f"{name}.B"]
