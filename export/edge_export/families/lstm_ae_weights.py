"""`lstm-ae`'s weights as named arrays in ONNX's layout, and back, bit for bit."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_export.families.lstm_ae import Config, Head, LstmAe, Scaler

__all__ = ["Weights", "append_head", "restore", "stack"]

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]

# torch keeps an LSTM's gates as input, forget, cell, output (torch.nn.LSTM, "Variables"); ONNX as
# input, output, forget, cell (LSTM operator). Each list says where the target finds its gates.
TO_ONNX, TO_TORCH = [0, 3, 1, 2], [0, 2, 3, 1]
PER_DEVICE = ("heads.", "scaler.centre", "scaler.scale")


def stack(model: LstmAe) -> dict[str, Floats]:
    """All weights by initializer name, in ONNX's layout; heads stacked by device."""
    weights = {
        "scaler.centre": _array(model.scaler.centre),
        "scaler.scale": _array(model.scaler.scale),
        "scaler.clip": np.array(model.scaler.clip, np.float32),
        **_lstm("encoder.outer", model.encoder.outer),
        **_lstm("encoder.inner", model.encoder.inner),
        **_dense("encoder.dense", model.encoder.dense),
    }
    heads = [_head(head) for head in model.heads if isinstance(head, Head)]
    return weights | {name: np.concatenate([head[name] for head in heads]) for name in heads[0]}


def restore(weights: Weights, window: int) -> LstmAe:
    """The torch model that `stack` turns into the same weights."""
    config = Config(
        window=window,
        outer=weights["encoder.outer.R"].shape[2],
        inner=weights["encoder.inner.R"].shape[2],
        latent=weights["encoder.dense.bias"].shape[0],
        clip=float(weights["scaler.clip"]),
    )
    centre, scale = (_tensor(weights[f"scaler.{name}"]) for name in ("centre", "scale"))
    model = LstmAe(Scaler(centre, scale, config.clip), config)
    with torch.no_grad():
        _fill_lstm(model.encoder.outer, weights, "encoder.outer", 0)
        _fill_lstm(model.encoder.inner, weights, "encoder.inner", 0)
        _fill_dense(
            model.encoder.dense, weights["encoder.dense.weight"], weights["encoder.dense.bias"]
        )
        for d, head in enumerate(model.heads):
            if isinstance(head, Head):
                _fill_lstm(head.inner, weights, "heads.inner", d)
                _fill_lstm(head.outer, weights, "heads.outer", d)
                _fill_dense(
                    head.dense, weights["heads.dense.weight"][d], weights["heads.dense.bias"][d]
                )
    return model


def append_head(weights: Weights, new: Weights) -> Weights:
    """`weights` and, as the last device, the only head and scaler row of `new`."""
    return {
        name: np.concatenate([value, new[name]]) if name.startswith(PER_DEVICE) else value
        for name, value in weights.items()
    }


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().numpy(), np.float32)


def _tensor(array: Floats) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _gates(array: Floats, order: Sequence[int]) -> Floats:
    """The rows (4H, ...) with their four gates in another order."""
    blocks = array.reshape(4, -1, *array.shape[1:])[list(order)]
    return np.ascontiguousarray(blocks.reshape(array.shape))


def _lstm(name: str, lstm: nn.LSTM) -> dict[str, Floats]:
    """W (1, 4H, I), R (1, 4H, H) and B (1, 8H), both biases kept apart."""
    w, r, *biases = (_gates(_array(parameter), TO_ONNX) for parameter in _parameters(lstm))
    return {f"{name}.W": w[None], f"{name}.R": r[None], f"{name}.B": np.concatenate(biases)[None]}


def _parameters(lstm: nn.LSTM) -> list[nn.Parameter]:
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [lstm.get_parameter(name) for name in names]


def _dense(name: str, dense: nn.Linear) -> dict[str, Floats]:
    """Weight (I, O), as MatMul wants it, and bias (O,)."""
    return {f"{name}.weight": _array(dense.weight.T), f"{name}.bias": _array(dense.bias)}


def _head(head: Head) -> dict[str, Floats]:
    dense = _dense("heads.dense", head.dense)
    return {
        **_lstm("heads.inner", head.inner),
        **_lstm("heads.outer", head.outer),
        **{name: value[None] for name, value in dense.items()},
    }


def _fill_lstm(lstm: nn.LSTM, weights: Weights, name: str, row: int) -> None:
    w, r, b = (weights[f"{name}.{part}"][row] for part in "WRB")
    bias_ih, bias_hh = np.split(b, 2)
    for parameter, value in zip(_parameters(lstm), (w, r, bias_ih, bias_hh), strict=True):
        parameter.copy_(_tensor(_gates(value, TO_TORCH)))


def _fill_dense(dense: nn.Linear, weight: Floats, bias: Floats) -> None:
    dense.weight.copy_(_tensor(weight.T))
    dense.bias.copy_(_tensor(bias))
