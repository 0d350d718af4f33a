"""Torch modules as ONNX graphs by torch's own exporter."""

import logging
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_export.to_onnx import OPSET

__all__ = ["to_onnx"]

OUTPUTS = ("observed", "expected")


def to_onnx(
    module: nn.Module,
    example: Sequence[Tensor],
    inputs: Sequence[str],
    outputs: Sequence[str] = OUTPUTS,
) -> bytes:
    """The module with the first axis of all its inputs left open.

    Args:
        module: In evaluation mode.
        example: One tensor an input, at least two rows each: of one, the exporter would make
            the batch size a constant.
        inputs: Their names.
        outputs: Names of what comes back.
    """
    if any(len(tensor) < 2 for tensor in example):  # noqa: PLR2004 - as above
        raise ValueError("an example must have at least two rows")
    axes = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        # About weights of recurrent layers and tree specs of torch's own: the graph is compared
        # with the module on real windows before anything is written.
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                module.eval(),
                tuple(example),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=axes,
                input_names=list(inputs),
                output_names=list(outputs),
                verbose=False,
            )
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    if program is None:
        raise RuntimeError("torch's exporter gave nothing")
    content: bytes = program.model_proto.SerializeToString()
    return content
