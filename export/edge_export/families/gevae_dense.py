"""`gevae` as graphs: dense masked attention in the place of scattered messages.

With 38 nodes the whole matrix of attention is smaller than the bookkeeping of its edges: in ONNX
Runtime 6 to 50 times faster than PyTorch Geometric's scatter, and torch's older exporter gets
the latter wrong. The weights are GATConv's own.
"""

import copy

import torch
from torch import Tensor, nn

from edge_export.families.gevae import Gat, Gevae

__all__ = ["Ahead", "DenseGat", "Encode", "Named", "NamedAhead", "densified"]


class DenseGat(nn.Module):
    """Graph attention over all pairs of nodes, those without an edge masked."""

    mask: Tensor  # (1, 1, N, N) at target, source: 0, or -inf where there is no edge
    weight: Tensor  # (in, H * F)
    sends: Tensor  # (in, H) attention of a source, its weights folded in
    hears: Tensor  # (in, H) of a target
    bias: Tensor

    def __init__(self, gat: Gat, nodes: int) -> None:
        super().__init__()
        conv = gat.conv
        self.heads, self.width, self.concat = conv.heads, conv.out_channels, bool(conv.concat)
        edge = torch.eye(nodes, dtype=torch.bool)  # every node hears itself
        edge[gat.edges[1], gat.edges[0]] = True
        mask = torch.where(edge, 0.0, -torch.inf)
        weight = conv.lin.weight.detach()  # (H * F, in)
        by_head = weight.reshape(self.heads, self.width, -1)
        self.register_buffer("mask", mask[None, None])
        self.register_buffer("weight", weight.T.contiguous())
        for name, attention in (("sends", conv.att_src), ("hears", conv.att_dst)):
            self.register_buffer(name, torch.einsum("hfi,hf->ih", by_head, attention.detach()[0]))
        self.register_buffer("bias", conv.bias.detach().clone())
        self.slope = float(conv.negative_slope)

    def forward(self, nodes: Tensor) -> Tensor:
        """(B, N, in) -> (B, N, out)."""
        batch, count, _ = nodes.shape
        values = (nodes @ self.weight).reshape(batch, count, self.heads, self.width)
        # Sources last: with the two heads last, sums and softmax walk in steps of two, and took
        # three quarters of a batch.
        sends = (nodes @ self.sends).permute(0, 2, 1).unsqueeze(2)  # (B, H, 1, source)
        hears = (nodes @ self.hears).permute(0, 2, 1).unsqueeze(3)  # (B, H, target, 1)
        affinity = nn.functional.leaky_relu(hears + sends, self.slope) + self.mask
        attention = torch.softmax(affinity, dim=3)  # (B, H, target, source)
        out = attention @ values.permute(0, 2, 1, 3)  # (B, H, N, F)
        if self.concat:
            return out.permute(0, 2, 1, 3).reshape(batch, count, -1) + self.bias
        return out.mean(dim=1) + self.bias


def densified(model: Gevae) -> Gevae:
    """A copy whose attention layers are dense."""
    dense, nodes = copy.deepcopy(model), model.scaler.centre.shape[1]
    for part in (dense.encoder, dense.decoder):
        for name in ("first", "second"):
            setattr(part, name, DenseGat(getattr(part, name), nodes))
    return dense


class Encode(nn.Module):
    """The newest window: what was observed, and the latents with its own at the end."""

    def __init__(self, model: Gevae) -> None:
        super().__init__()
        self.scaler, self.encoder = model.scaler, model.encoder
        self.steps = model.config.window if model.config.whole else 1

    def forward(self, window: Tensor, device: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, W, N), (B,), (B, L, latent) -> (B, S, N), (B, L, latent).

        A latent that is not there yet, or was made of nothing, is NaN and takes the newest's place.
        """
        scaled = self.scaler(window, device)
        latent, _ = self.encoder(torch.where(torch.isnan(scaled), 0.0, scaled))
        newest = latent.unsqueeze(1)
        before = torch.where(torch.isnan(state[:, 1:]), newest, state[:, 1:])
        return scaled[:, -self.steps :], torch.cat([before, newest], dim=1)


class Ahead(nn.Module):
    """The window to come, from the latents of those that came."""

    def __init__(self, model: Gevae) -> None:
        super().__init__()
        self.predictor, self.decoder = model.predictor, model.decoder
        if not model.config.whole:  # the last step is all that is scored
            self.decoder = copy.deepcopy(model.decoder)
            steps = model.decoder.steps
            last = nn.Linear(steps.in_features, 1)
            last.weight.data, last.bias.data = steps.weight.data[-1:], steps.bias.data[-1:]
            self.decoder.steps = last

    def forward(self, state: Tensor, device: Tensor) -> tuple[Tensor]:
        """(B, L, latent), (B,) -> (B, S, N)."""
        return (self.decoder(self.predictor(state), device),)


class Named(nn.Module):
    """`Encode` for TorchScript, which names what it returns."""

    def __init__(self, encode: Encode) -> None:
        super().__init__()
        self.encode = encode

    def forward(self, window: Tensor, device: Tensor, state: Tensor) -> dict[str, Tensor]:
        """As `Encode.forward`."""
        observed, latents = self.encode(window, device, state)
        return {"observed": observed, "new_state": latents}


class NamedAhead(nn.Module):
    """`Ahead` for TorchScript, which names what it returns."""

    def __init__(self, ahead: Ahead) -> None:
        super().__init__()
        self.ahead = ahead

    def forward(self, state: Tensor, device: Tensor) -> dict[str, Tensor]:
        """As `Ahead.forward`."""
        (expected,) = self.ahead(state, device)
        return {"expected": expected}
