"""`gevae`: a variational autoencoder on the graph of correlated signals.

Each signal is a node: a convolution (or a GRU) over its window, two graph attention layers
(Velickovic et al., ICLR 2018) among signals that move together, a mean over the nodes, a latent
of 32; a symmetric decoder leads back. An LSTM over the last 12 latents tells the next one, whose
decoded window is what is expected of the sample to come.

The literal decoder hands every node the same broadcast latent, so that nodes with the same
neighbours, all isolated ones among them, are given one and the same window: it reconstructs worse
than each signal's mean. The default therefore knows its nodes: an embedding in encoder and
decoder, and a bias that begins at each signal's mean.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATConv

from edge_anomaly.errors import ConfigError
from edge_export.calibration.recipes import check_statistic

__all__ = [
    "Config",
    "ConvEncoder",
    "Decoder",
    "Encoder",
    "Gat",
    "Gevae",
    "GruEncoder",
    "Predictor",
    "Scaler",
    "divergence",
]

NODE_ENCODERS = ("conv", "gru")


@dataclass(frozen=True)
class Config:
    """What decides the trained weights, beside the recordings."""

    window: int = 48  # slots the model looks at
    correlation: float = 0.8  # signals whose Pearson correlation is at least so large are joined
    node_encoder: str = "conv"  # over a signal's window: conv, or gru (four times slower)
    node: int = 32  # width of what the encoder says about one signal
    heads: int = 2  # of each attention layer
    head: int = 32  # width of a head
    latent: int = 32  # width of what it says about a window
    latents: int = 12  # how many the predictor looks back on
    predictor: int = 64  # units of the predictor's LSTM
    embedded: bool = True  # nodes know themselves; without it the decoder is the literal one
    whole: bool = False  # score the whole window by its raw mean square, not the last step
    # What of the last step counts: each signal by itself, or the distance of all together, which
    # is better where signals are correlated and noise is Gaussian: mahalanobis.
    statistic: str = "residual"
    with_raw: bool = True  # the residual counts beside what whitening leaves of it
    clip: float = 3.0  # scaled values beyond +-clip are cut
    beta: float = 1e-3  # weight of a latent's mean KL beside the mean square error
    # Share of training over which it rises from nothing (Bowman et al., CoNLL 2016): from the
    # start it would silence latents that say nothing yet, and some never speak again.
    warm_up: float = 0.5
    attempts: int = 3  # at training: a useless model is trained anew, with a tenth of beta
    stride: int = 1  # hops between cut windows; the predictor learns from all of them
    every: int = 4  # the autoencoder from every fourth: neighbours teach nearly the same
    epochs: int = 6  # at most; five were enough on nineteen servers
    predictor_epochs: int = 4
    batch: int = 64
    learning_rate: float = 2e-3  # of Adam, falling to 0 along a half cosine
    patience: int = 2  # epochs without a better held-out loss before training ends
    held_out: float = 0.2  # last share of each device's time: stops training, calibrates
    fewest_active: int = 2  # latents that must vary over healthy time, or nothing is exported
    most_unexplained: float = 1.1  # share of the variance that reconstruction may miss at most
    seed: int = 0  # weights, order of the windows, noise
    threads: int = 1  # of torch; part of what makes a run repeat exactly

    def __post_init__(self) -> None:
        if self.node_encoder not in NODE_ENCODERS:
            known = ", ".join(NODE_ENCODERS)
            raise ConfigError(f"node_encoder: no {self.node_encoder!r}; there are {known}")
        if self.window < SHORTEST:
            raise ConfigError(f"window: the convolutions need {SHORTEST} slots at least")
        check_statistic(self.statistic)


KERNEL, STRIDE = 5, 2  # of both convolutions along the window
SHORTEST = KERNEL + STRIDE * (KERNEL - 1)


class Scaler(nn.Module):
    """Engineering units to scaled units, per device."""

    centre: Tensor  # (D, N)
    scale: Tensor  # (D, N), > 0

    def __init__(self, centre: Tensor, scale: Tensor, clip: float) -> None:
        super().__init__()
        self.register_buffer("centre", centre.float())
        self.register_buffer("scale", scale.float())
        self.clip = clip

    def forward(self, window: Tensor, device: Tensor) -> Tensor:
        """(B, W, N) and (B,) -> (B, W, N) within +-clip."""
        centre = self.centre.index_select(0, device).unsqueeze(1)
        scale = self.scale.index_select(0, device).unsqueeze(1)
        return ((window - centre) / scale).clamp(-self.clip, self.clip)


class Gat(nn.Module):
    """PyTorch Geometric's graph attention over a batch of like graphs."""

    edges: Tensor  # (2, E) source and target

    def __init__(self, width: int, config: Config, edges: Tensor, *, concat: bool) -> None:
        super().__init__()
        self.conv = GATConv(width, config.head, heads=config.heads, concat=concat)
        self.register_buffer("edges", edges)

    def forward(self, nodes: Tensor) -> Tensor:
        """(B, N, in) -> (B, N, out)."""
        batch, count, width = nodes.shape
        first = torch.arange(batch, device=nodes.device).repeat_interleave(self.edges.shape[1])
        edges = self.edges.repeat(1, batch) + first * count
        out: Tensor = self.conv(nodes.reshape(batch * count, width), edges)
        return out.reshape(batch, count, -1)


class ConvEncoder(nn.Module):
    """What one signal's window is like, by two convolutions along it.

    Written in two dimensions, of which the second is the node: the same weights as in one, and
    ONNX Runtime's blocked convolution.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        half = config.node // 2
        self.first = nn.Conv2d(1, half, (KERNEL, 1), (STRIDE, 1))
        self.second = nn.Conv2d(half, config.node, (KERNEL, 1), (STRIDE, 1))
        steps = config.window
        for _ in range(2):
            steps = (steps - KERNEL) // STRIDE + 1
        self.dense = nn.Linear(config.node * steps, config.node)

    def forward(self, scaled: Tensor) -> Tensor:
        """(B, W, N) -> (B, N, node)."""
        out = torch.relu(self.first(scaled.unsqueeze(1)))  # (B, node / 2, steps, N)
        out = torch.relu(self.second(out))  # (B, node, steps, N)
        nodes: Tensor = self.dense(out.permute(0, 3, 1, 2).flatten(2))
        return nodes


class GruEncoder(nn.Module):
    """What one signal's window is like, by a GRU along it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gru = nn.GRU(1, config.node, batch_first=True)

    def forward(self, scaled: Tensor) -> Tensor:
        """(B, W, N) -> (B, N, node)."""
        batch, steps, count = scaled.shape
        _, last = self.gru(scaled.permute(0, 2, 1).reshape(batch * count, steps, 1))
        nodes: Tensor = last[0].reshape(batch, count, -1)
        return nodes


class Encoder(nn.Module):
    """What a window of all signals is like."""

    def __init__(self, nodes: int, edges: Tensor, config: Config) -> None:
        super().__init__()
        self.nodes = ConvEncoder(config) if config.node_encoder == "conv" else GruEncoder(config)
        self.embedding = _embedding((nodes, config.node), known=config.embedded)
        self.first = Gat(config.node, config, edges, concat=True)
        self.second = Gat(config.heads * config.head, config, edges, concat=False)
        self.mean = nn.Linear(config.head, config.latent)
        self.log_variance = nn.Linear(config.head, config.latent)
        # Begin with little noise, or the decoder learns to do without the latent.
        nn.init.constant_(self.log_variance.bias, -3.0)

    def forward(self, scaled: Tensor) -> tuple[Tensor, Tensor]:
        """(B, W, N) -> mean and log variance, both (B, latent)."""
        nodes = self.nodes(scaled) + self.embedding
        nodes = nn.functional.elu(self.first(nodes))
        pooled = nn.functional.elu(self.second(nodes)).mean(dim=1)  # (B, head)
        return self.mean(pooled), self.log_variance(pooled)


class Decoder(nn.Module):
    """From a latent back to the window of all signals."""

    bias: Tensor  # (D, N)

    def __init__(
        self, shape: tuple[int, int], edges: Tensor, config: Config, usual: Tensor
    ) -> None:
        super().__init__()
        wide = config.heads * config.head
        self.spread = nn.Linear(config.latent, config.node)
        self.embedding = _embedding((*shape, config.node), known=config.embedded)
        self.first = Gat(config.node, config, edges, concat=True)
        self.second = Gat(wide, config, edges, concat=True)
        self.skip = nn.Linear(config.node, wide, bias=False)
        self.steps = nn.Linear(wide, config.window)
        self.bias = nn.Parameter(usual.clone(), requires_grad=config.embedded)
        if not config.embedded:
            nn.init.zeros_(self.bias)
            nn.init.zeros_(self.skip.weight)
            self.skip.weight.requires_grad = False

    def forward(self, latent: Tensor, device: Tensor) -> Tensor:
        """(B, latent) and (B,) -> (B, W, N)."""
        begin = self.spread(latent).unsqueeze(1) + self.embedding[device]  # (B, N, node)
        nodes = nn.functional.elu(self.first(begin))
        nodes = nn.functional.elu(self.second(nodes)) + self.skip(begin)
        windows: Tensor = self.steps(nodes) + self.bias[device].unsqueeze(2)  # (B, N, W)
        return windows.transpose(1, 2)


class Predictor(nn.Module):
    """The next latent from the last ones."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.latent, config.predictor, batch_first=True)
        self.dense = nn.Linear(config.predictor, config.latent)
        # Begin by expecting no change.
        nn.init.zeros_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def forward(self, latents: Tensor) -> Tensor:
        """(B, L, latent) -> (B, latent)."""
        _, (last, _) = self.lstm(latents)  # (1, B, predictor)
        following: Tensor = latents[:, -1] + self.dense(last[0])
        return following


class Gevae(nn.Module):
    """Scaler, encoder, decoder and predictor."""

    def __init__(self, scaler: Scaler, edges: Tensor, usual: Tensor, config: Config) -> None:
        """An untrained model.

        Args:
            scaler: Of D devices with N signals.
            edges: Source and target of every edge but self-loops, (2, E).
            usual: Training mean of each signal, scaled, (D, N).
            config: Sizes.
        """
        super().__init__()
        devices, nodes = scaler.centre.shape
        self.config = config
        self.scaler = scaler
        self.encoder = Encoder(nodes, edges, config)
        self.decoder = Decoder((devices, nodes), edges, config, usual)
        self.predictor = Predictor(config)

    def loss(
        self, window: Tensor, device: Tensor, noise: Tensor | None, progress: float = 1.0
    ) -> Tensor:
        """Mean square error over the whole window and beta times a latent's mean KL.

        Args:
            window: Engineering units, (B, W, N).
            device: (B,).
            noise: Standard normal, (B, latent); None reconstructs from the mean.
            progress: How far training is, 0..1, on which the weight of the KL depends.
        """
        scaled = self.scaler(window, device)
        mean, log_variance = self.encoder(scaled)
        latent = mean if noise is None else mean + noise * (log_variance / 2).exp()
        error = nn.functional.mse_loss(self.decoder(latent, device), scaled)
        risen = min(1.0, progress / self.config.warm_up) if self.config.warm_up else 1.0
        return error + self.config.beta * risen * divergence(mean, log_variance).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL of each latent from a standard normal, nats, (B, latent)."""
    return (mean**2 + log_variance.exp() - 1 - log_variance) / 2


def _embedding(shape: tuple[int, ...], *, known: bool) -> nn.Parameter:
    """What a node knows of itself; nothing, for good, in the literal model."""
    start = torch.randn(shape) * 0.3 if known else torch.zeros(shape)
    return nn.Parameter(start, requires_grad=known)
