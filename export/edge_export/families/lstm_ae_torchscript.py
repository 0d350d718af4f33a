"""`lstm-ae` as TorchScript, grouped by device, for gateways that run torch.

Scripted, not traced: a trace would bake the device of its zero states into the file. The
heads are stacked by device, because a scripted loop cannot index a list of modules.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edge_export.families.lstm_ae import Head, LstmAe
from edge_export.graphs import exporting

__all__ = ["to_torchscript"]


class _Lstms(nn.Module):
    """One LSTM a device, weights stacked by device."""

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor

    def __init__(self, lstms: Sequence[nn.LSTM]) -> None:
        super().__init__()
        self.units = lstms[0].hidden_size
        for part in ("w_ih", "w_hh", "b_ih", "b_hh"):
            name = part.replace("w_", "weight_").replace("b_", "bias_") + "_l0"
            self.register_buffer(part, _stack([lstm.get_parameter(name) for lstm in lstms]))

    def forward(self, steps: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        """(W, n, I) through the LSTM of device `d` -> every step (W, n, H), the last (n, H)."""
        zero = steps.new_zeros([1, steps.shape[1], self.units])
        sequence, last, _ = torch.lstm(
            steps,
            [zero, zero],
            [self.w_ih[d], self.w_hh[d], self.b_ih[d], self.b_hh[d]],
            has_biases=True,
            num_layers=1,
            dropout=0.0,
            train=False,
            bidirectional=False,
            batch_first=False,
        )
        return sequence, last[0]


class _Grouped(nn.Module):
    weight: Tensor
    bias: Tensor

    def __init__(self, model: LstmAe) -> None:
        super().__init__()
        heads = [head for head in model.heads if isinstance(head, Head)]
        self.window = model.config.window
        self.scaler, self.encoder = model.scaler, model.encoder
        self.inner = _Lstms([head.inner for head in heads])
        self.outer = _Lstms([head.outer for head in heads])
        self.register_buffer("weight", _stack([head.dense.weight.T for head in heads]))
        self.register_buffer("bias", _stack([head.dense.bias for head in heads]))

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor]:
        """As `LstmAe.forward`: (B, W, C) and (B,) -> observed and expected, (B, 1, C)."""
        scaled = self.scaler(window, device)
        latent = self.encoder(scaled)
        observed = scaled[:, -1:]
        expected = torch.empty_like(observed)
        present = torch.unique(device)
        for i in range(present.shape[0]):
            d = present[i]
            rows = (device == d).nonzero()[:, 0]
            repeated = latent[rows].unsqueeze(0).expand(self.window, -1, -1)  # (W, n, latent)
            steps, _ = self.inner(repeated, d)
            _, last = self.outer(steps, d)
            expected[rows, 0] = torch.addmm(self.bias[d], last, self.weight[d])
        return observed, expected


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.detach() for tensor in tensors])


def to_torchscript(model: LstmAe) -> bytes:
    """The scripted model; inputs and outputs as of the ONNX graph."""
    return exporting.to_torchscript(_Grouped(model))
