"""A torch module as an ONNX file, or as TorchScript."""

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from edge_anomaly.wishes import Wishes
from edge_export.graphs.opset import IR_VERSION, OPSET

__all__ = ["to_onnx", "to_torchscript"]

_QUIET = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir", "torch._export")


def to_onnx(
    module: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    *,
    wishes: Wishes = Wishes(),  # noqa: B008 - frozen
) -> bytes:
    """The module as a serialised ONNX model whose batch may have any size.

    Args:
        module: Takes the tensors of `example` in their order and returns a tensor, a tuple of
            them or a dict.
        example: By input name; the first axis of each is the batch, of at least 2, since the
            exporter takes 1 for a constant.
        outputs: Names of what it returns, in order.
        wishes: How it asks to be run.
    """
    if any(len(tensor) < 2 for tensor in example.values()):  # noqa: PLR2004 - not one, see above
        raise ValueError("an example must have at least two rows")
    file = io.BytesIO()
    levels = {name: logging.getLogger(name).level for name in _QUIET}
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # torch's own exporter uses what torch has deprecated.
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                module.eval(),
                tuple(example.values()),
                dynamo=True,
                input_names=list(example),
                output_names=list(outputs),
                dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in example),
                opset_version=OPSET,
                verbose=False,
            )
        program.save(file, external_data=False)
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    model = onnx.load_from_string(file.getvalue())
    model.ir_version = IR_VERSION
    _anonymise(model.graph)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, wishes.properties)
    del model.graph.value_info[:]  # else quantisation finds shapes that it has changed itself
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _anonymise(graph: onnx.GraphProto) -> None:
    """Take out paths and source lines of the machine that exported it, loops' bodies included."""
    del graph.metadata_props[:]
    for value in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del value.metadata_props[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):  # even looking at another one's would make it a graph
                _anonymise(attribute.g)


def to_torchscript(module: nn.Module) -> bytes:
    """The module scripted: a trace would bake the device of zero states into the file."""
    with warnings.catch_warnings():
        # Deprecated by torch in favour of torch.export, whose files need Python to run;
        # TorchScript is what gateways with libtorch load.
        warnings.filterwarnings("ignore", "`torch.jit.*is deprecated", DeprecationWarning)
        scripted = torch.jit.script(module.eval())
        file = io.BytesIO()
        torch.jit.save(scripted, file)
    return file.getvalue()
