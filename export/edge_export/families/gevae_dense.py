"""`gevae` as graphs: dense masked attention in the place of scattered messages.

With 38 nodes the whole matrix of attention is smaller than the bookkeeping of its edges: in ONNX
Runtime 6 to 50 times faster than PyTorch Geometric's scatter, and torch's older exporter gets
the latter wrong. The weights are GATConv's own.

Nodes come last, (B, features, N): what the convolution gives and what the decoder must give, so
that no layer transposes. What one linear map does to what another one gave is one map here.
"""

import torch
from torch import Tensor, nn

from edge_export.families.gevae import ConvEncoder, Decoder, Encoder, Gat, Gevae, GruEncoder

__all__ = ["FAINTEST", "DenseDecoder", "DenseEncoder", "DenseGat", "faintest"]

# What LeakyReLU leaves of the affinity of strangers at most: beside neighbours who are indifferent
# to each other a share of e^-55. Not -inf, of which the softmax makes subnormal numbers at ten
# times the time.
FORBIDDEN = -55.0
FAINTEST = -100.0  # affinity of a node's nearest neighbour that a graph may be exported with: of
# the strangers' share of e^-35 there float32 shows nothing, nor at -190


class _Mix(nn.Module):
    """A linear map of the features of each node, as a convolution of width 1."""

    weight: Tensor  # (out, in, 1)
    bias: Tensor  # (out,)

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.unsqueeze(2).contiguous())
        self.register_buffer("bias", bias.flatten())

    def forward(self, nodes: Tensor) -> Tensor:
        """(B, in, N) -> (B, out, N)."""
        return nn.functional.conv1d(nodes, self.weight, self.bias)


class DenseGat(nn.Module):
    """Graph attention over all pairs of nodes, those without an edge masked.

    Equal to GATConv while every node has a neighbour, be it itself, whose affinity is above -190:
    however high that of a stranger is, it is cut to where it does not count beside such a one.
    Holding strangers against the largest of each row would be safe without that, and a quarter
    slower. `faintest` says how near a model comes; inputs are clipped at 3 deviations.
    """

    most: Tensor  # (1, 1, N, J * N) at target, source: without bound between neighbours

    def __init__(self, gat: Gat, nodes: int) -> None:
        super().__init__()
        conv = gat.conv
        heads, self.width = int(conv.heads), int(conv.out_channels)
        # Heads side by side are groups of one. An average is one group of all, which one matrix
        # product adds up.
        groups, joint = (heads, 1) if conv.concat else (1, heads)
        self.groups, self.joint, inputs = groups, joint, conv.lin.weight.shape[1]
        self.slope = float(conv.negative_slope)
        edge = torch.eye(nodes, dtype=torch.bool)  # every node hears itself
        edge[gat.edges[1], gat.edges[0]] = True
        most = torch.where(edge, torch.finfo(torch.float32).max, FORBIDDEN / self.slope)
        self.register_buffer("most", most.repeat(1, joint)[None, None])

        weight = conv.lin.weight.detach()  # (H * F, in)
        by_head = weight.reshape(groups, joint, self.width, inputs)
        # A share sums to 1, so that a bias of the values is one of their mean.
        bias = conv.bias.detach().reshape(groups, self.width, 1).expand(-1, -1, joint)
        self.values = _Mix(by_head.transpose(1, 2).reshape(-1, inputs) / joint, bias / joint)

        sends, hears = (
            torch.einsum("gjfi,gjf->gji", by_head, attention.detach().reshape(groups, joint, -1))
            for attention in (conv.att_src, conv.att_dst)
        )
        # The affinity hears_i + sends_j as a product of (hears_i, 1) and (1, sends_j): ONNX
        # Runtime lays that out in half the time of a sum that broadcasts both.
        one, none = torch.eye(joint), torch.zeros(groups, joint, joint, inputs)
        right = torch.cat([none, sends[:, None]], dim=1)  # (G, J + 1, J, in)
        right_bias = torch.cat([one, torch.zeros(1, joint)]).expand(groups, -1, -1)
        left = torch.cat([hears, none[:, :1, 0]], dim=1)  # (G, J + 1, in)
        left_bias = torch.cat([torch.zeros(joint), torch.ones(1)]).expand(groups, -1)
        self.sizes = [right_bias.numel(), left_bias.numel()]
        rows = torch.cat([right.reshape(-1, inputs), left.reshape(-1, inputs)])
        self.factors = _Mix(rows, torch.cat([right_bias.flatten(), left_bias.flatten()]))

    def forward(self, nodes: Tensor) -> Tensor:
        """(B, in, N) -> (B, out, N)."""
        return self.attend(self.values(nodes), self.factors(nodes))

    def attend(self, values: Tensor, factors: Tensor) -> Tensor:
        """Both of the nodes, made by the layers of these names -> (B, out, N)."""
        batch, _, count = values.shape
        groups, joint, wide = self.groups, self.joint, self.joint * count
        affinity = nn.functional.leaky_relu(self.affinity(factors), self.slope)
        if joint > 1:
            apart = affinity.reshape(batch, groups, count, joint, count)
            share = torch.softmax(apart, dim=4).reshape(batch, groups, count, wide)
        else:
            share = torch.softmax(affinity, dim=3)
        out = values.reshape(batch, groups, self.width, wide) @ share.transpose(2, 3)
        return out.reshape(batch, groups * self.width, count)

    def affinity(self, factors: Tensor) -> Tensor:
        """Before LeakyReLU, (B, G, N, J * N) at target, source; of strangers cut."""
        batch, _, count = factors.shape
        right, left = torch.split(factors, self.sizes, dim=1)
        left = left.reshape(batch, self.groups, self.joint + 1, count).transpose(2, 3)
        right = right.reshape(batch, self.groups, self.joint + 1, self.joint * count)
        return torch.minimum(left @ right, self.most)


@torch.no_grad()
def faintest(model: Gevae, window: Tensor, device: Tensor) -> float:
    """The least affinity, in these windows, of a node's nearest neighbour.

    Args:
        model: Trained.
        window: Engineering units, (B, W, N).
        device: (B,).
    """
    gats = [one for one in model.modules() if isinstance(one, Gat)]
    shown: dict[Gat, Tensor] = {}
    hooks = [
        one.register_forward_pre_hook(lambda gat, x: shown.update({gat: x[0]})) for one in gats
    ]
    model.decoder(model.encoder(model.scaler(window, device))[0], device)
    for hook in hooks:
        hook.remove()
    found = []
    for gat in gats:
        nodes = shown[gat]
        dense = DenseGat(gat, nodes.shape[1])
        affinity = dense.affinity(dense.factors(nodes.transpose(1, 2)))
        by_head = affinity.reshape(*affinity.shape[:3], dense.joint, nodes.shape[1])
        found.append(float(by_head.amax(dim=4).min()))
    return min(found)


class _ConvEncoder(nn.Module):
    """`ConvEncoder` whose dense layer is a third convolution, so that nothing is laid out anew."""

    def __init__(self, encoder: ConvEncoder) -> None:
        super().__init__()
        self.first, self.second = encoder.first, encoder.second
        dense, channels = encoder.dense, encoder.second.out_channels
        steps = dense.in_features // channels
        self.third = nn.Conv2d(channels, dense.out_features, (steps, 1))
        self.third.weight.data = dense.weight.detach().reshape(-1, channels, steps, 1)
        self.third.bias = dense.bias

    def forward(self, scaled: Tensor) -> Tensor:
        """(B, W, N) -> (B, node, N)."""
        out = torch.relu(self.first(scaled.unsqueeze(1)))
        nodes: Tensor = self.third(torch.relu(self.second(out)))
        return nodes.squeeze(2)


class _GruEncoder(nn.Module):
    """`GruEncoder`, its nodes last."""

    def __init__(self, encoder: GruEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, scaled: Tensor) -> Tensor:
        """(B, W, N) -> (B, node, N)."""
        nodes: Tensor = self.encoder(scaled)
        return nodes.transpose(1, 2)


class DenseEncoder(nn.Module):
    """`Encoder` of the same weights."""

    embedding: Tensor  # (node, N)

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        nodes, count = encoder.nodes, len(encoder.embedding)
        self.nodes = _ConvEncoder(nodes) if isinstance(nodes, ConvEncoder) else _GruEncoder(nodes)
        self.register_buffer("embedding", encoder.embedding.detach().T.contiguous())
        self.first, self.second = DenseGat(encoder.first, count), DenseGat(encoder.second, count)
        self.mean, self.log_variance = encoder.mean, encoder.log_variance

    def forward(self, scaled: Tensor) -> tuple[Tensor, Tensor]:
        """(B, W, N) -> mean and log variance, both (B, latent)."""
        nodes = _elu(self.first(self.nodes(scaled) + self.embedding))
        pooled = _elu(self.second(nodes)).mean(dim=2)  # (B, head)
        return self.mean(pooled), self.log_variance(pooled)


class DenseDecoder(nn.Module):
    """`Decoder` of the same weights.

    Until the first attention all is linear in the latent: a table of each device's nodes, and
    what the latent adds to all nodes alike. So is what skips both layers of attention.
    """

    values: Tensor  # (D, out, N) of the first layer, by device
    factors: Tensor  # (D, ..., N)
    skipped: Tensor  # (D, S, N) of the answer

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        count = decoder.bias.shape[1]
        self.first, self.second = DenseGat(decoder.first, count), DenseGat(decoder.second, count)
        steps, spread = decoder.steps, decoder.spread
        skip = steps.weight.detach() @ decoder.skip.weight.detach()  # (S, node)
        mixes = self.first.values, self.first.factors
        parts = [*(mix.weight.squeeze(2) for mix in mixes), skip]
        begin = decoder.embedding.detach() + spread.bias.detach()  # (D, N, node)
        values, factors, skipped = (
            torch.einsum("on,dcn->doc", part, begin).contiguous() for part in parts
        )
        self.register_buffer("values", values + mixes[0].bias[:, None])
        self.register_buffer("factors", factors + mixes[1].bias[:, None])
        bias = steps.bias.detach()[:, None] + decoder.bias.detach()[:, None]  # (D, S, N)
        self.register_buffer("skipped", skipped + bias)
        self.sizes = [len(part) for part in parts]
        self.alike = nn.Linear(spread.in_features, sum(self.sizes), bias=False)
        self.alike.weight.data = torch.cat(parts) @ spread.weight.detach()
        self.steps = _Mix(steps.weight.detach(), torch.zeros(steps.out_features))

    def forward(self, latent: Tensor, device: Tensor) -> Tensor:
        """(B, latent) and (B,) -> (B, S, N)."""
        alike = self.alike(latent).unsqueeze(2)
        values, factors, skipped = torch.split(alike, self.sizes, dim=1)
        nodes = self.first.attend(
            self.values.index_select(0, device) + values,
            self.factors.index_select(0, device) + factors,
        )
        steps: Tensor = self.steps(_elu(self.second(_elu(nodes))))
        return steps + (self.skipped.index_select(0, device) + skipped)


def _elu(x: Tensor) -> Tensor:
    """As torch's to a rounding of 1; ONNX Runtime's own takes the time of seven vector passes."""
    return torch.maximum(x, x.clamp(max=0.0).exp() - 1.0)
