"""`usad`'s network: one encoder, two decoders, convolution and GRU with GELU, told the time.

Audibert et al., "USAD: UnSupervised Anomaly Detection on Multivariate Time Series", KDD 2020;
with the encoder of "FFT-guided multi-window USAD", Energies 18(24) 6584, 2025. An autoencoder
of sliding windows that does not know the time finds every shifted day normal: encoder and decoder
get sine and cosine of day, half day and week, and whether it is a weekend.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from edge_anomaly.wishes import Wishes
from edge_export.training.loop import Course, Player, Step, compete

__all__ = ["WISHES", "Lesson", "Network", "Sizes", "loss_of", "train_network"]

CLOCK = 7  # inputs made of the agent's four
WEEKEND = 2 * math.pi * 6 / 7  # its middle, Sunday 00:00, as an angle of the week
DAY = 2 * math.pi / 7  # half a weekend, likewise
CLIP = 3.0  # widths beyond the training range's middle: one spike must not rule a window
KERNEL = 5
WISHES = Wishes(arena=False)  # two threads with one session wait for each other, else
CHUNK = 1024  # windows through the network at once where nothing is learnt


@dataclass(frozen=True)
class Sizes:
    """What decides a network's shape, and who pulls at it."""

    window: int  # slots
    latent: int
    hidden: int  # channels of the convolution, units of the GRUs
    clock: bool  # tell encoder and decoder the time
    adversary: float | None  # its share in the second half; None: the published 1/n schedule
    both: bool  # score what the second decoder makes of the first one's output


@dataclass(frozen=True)
class Lesson:
    """Windows to learn from, in torch's hands."""

    window: Tensor  # (N, W, C) engineering units
    device: Tensor  # (N,)
    clock: Tensor  # (N, W, 4)

    @classmethod
    def of(
        cls, window: NDArray[np.float32], device: NDArray[np.int64], clock: NDArray[np.float32]
    ) -> "Lesson":
        """The same numbers."""
        return cls(torch.from_numpy(window), torch.from_numpy(device), torch.from_numpy(clock))

    def to(self, device: str) -> "Lesson":
        """The same on cpu or cuda."""
        return Lesson(self.window.to(device), self.device.to(device), self.clock.to(device))

    def __getitem__(self, rows: Tensor) -> "Lesson":
        return Lesson(self.window[rows], self.device[rows], self.clock[rows])


class _Encoder(nn.Module):
    def __init__(self, signals: int, sizes: Sizes) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(signals, sizes.hidden, KERNEL, padding=KERNEL // 2)
        self.gelu = nn.GELU()
        self.gru = nn.GRU(sizes.hidden, sizes.hidden, batch_first=True)
        self.latent = nn.Linear(sizes.hidden, sizes.latent)

    def forward(self, window: Tensor) -> Tensor:
        """(B, W, inputs) -> (B, latent)."""
        mapped = self.gelu(self.convolution(window.transpose(1, 2)))  # (B, hidden, W)
        _, last = self.gru(mapped.transpose(1, 2))  # (1, B, hidden)
        latent: Tensor = self.latent(last[0])
        return latent


class _Decoder(nn.Module):
    def __init__(self, signals: int, context: int, sizes: Sizes) -> None:
        super().__init__()
        self.gru = nn.GRU(sizes.latent + context, sizes.hidden, batch_first=True)
        self.convolution = nn.Conv1d(sizes.hidden, sizes.hidden, KERNEL, padding=KERNEL // 2)
        self.gelu = nn.GELU()
        self.out = nn.Linear(sizes.hidden, signals)

    def forward(self, latent: Tensor, context: Tensor) -> Tensor:
        """(B, latent) and (B, W, context) -> (B, W, C) in 0..1."""
        repeated = latent.unsqueeze(1).expand(-1, context.shape[1], -1)
        sequence, _ = self.gru(torch.cat([repeated, context], dim=2))  # (B, W, hidden)
        mapped = self.gelu(self.convolution(sequence.transpose(1, 2))).transpose(1, 2)
        return torch.sigmoid(self.out(mapped))


class Network(nn.Module):
    """Scaler, encoder and both decoders; its forward pass is the scoring path alone."""

    centre: Tensor  # (D, C)
    scale: Tensor  # (D, C), > 0

    def __init__(
        self, centre: NDArray[np.float32], scale: NDArray[np.float32], sizes: Sizes
    ) -> None:
        super().__init__()
        devices, signals = centre.shape
        self.sizes = sizes
        self.clocked = sizes.clock
        # TorchScript knows no constants of a module's file.
        self.clip = CLIP
        self.weekend = (math.sin(WEEKEND), math.cos(WEEKEND), math.cos(DAY))
        self.both = sizes.both
        self.register_buffer("centre", torch.from_numpy(centre))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.who = nn.Embedding(devices, min(4, devices - 1) if devices > 1 else 1)
        context = (CLOCK if sizes.clock else 0) + self.who.embedding_dim
        self.encoder = _Encoder(signals + context, sizes)
        self.first = _Decoder(signals, context, sizes)
        self.second = _Decoder(signals, context, sizes)

    def forward(self, window: Tensor, device: Tensor, clock: Tensor) -> tuple[Tensor, Tensor]:
        """Observed and expected window, both (B, W, C), in widths of the training range.

        Args:
            window: Engineering units, (B, W, C).
            device: Which scaler, int64, (B,).
            clock: Sine and cosine of day and week, (B, W, 4).
        """
        seen, context = self.seen(window, device), self.context(device, clock)
        told = self.first(self.encode(seen, context), context)
        if self.both:
            told = self.second(self.encode(told, context), context)
        return seen - 0.5, told - 0.5

    def seen(self, window: Tensor, device: Tensor) -> Tensor:
        """(B, W, C) with the training range at 0..1."""
        centre, scale = self.centre[device].unsqueeze(1), self.scale[device].unsqueeze(1)
        return ((window - centre) / scale).clamp(-self.clip, self.clip) + 0.5

    def context(self, device: Tensor, clock: Tensor) -> Tensor:
        """What both ends are told beside the window, (B, W, context)."""
        who = self.who(device).unsqueeze(1).expand(-1, clock.shape[1], -1)
        if not self.clocked:
            alone: Tensor = who
            return alone
        sine, cosine, week_sine, week_cosine = clock.unbind(2)
        middle_sine, middle_cosine, edge = self.weekend
        weekend = (middle_cosine * week_cosine + middle_sine * week_sine > edge).to(clock.dtype)
        half_day = [2 * sine * cosine, cosine * cosine - sine * sine]
        return torch.cat(
            [clock, torch.stack([half_day[0], half_day[1], weekend], dim=2), who], dim=2
        )

    def encode(self, seen: Tensor, context: Tensor) -> Tensor:
        """(B, latent)."""
        latent: Tensor = self.encoder(torch.cat([seen, context], dim=2))
        return latent


def train_network(network: Network, fit: Lesson, held: Lesson, course: Course) -> list[float]:
    """Train in place; return the held-out error of the first decoder, the first before training.

    With the published schedule the losses of epoch n are 1/n reconstruction and 1 - 1/n of the
    adversary's, which pulls ever harder (KDD 2020, equations 8 and 9). With a share, the first
    half of the epochs reconstructs, and the second half gives the adversary that share.
    """
    network.to(course.device)
    fit, held = fit.to(course.device), held.to(course.device)
    shared = [*network.encoder.parameters(), *network.who.parameters()]
    decoders = (network.first, network.second)

    def player(own: _Decoder, *, second: bool) -> Player:
        def loss(rows: Tensor, step: Step) -> Tensor:
            share = _adversary(network.sizes, step.epoch, course.epochs)
            return _loss(network, fit[rows], share, second=second)

        return Player([*shared, *own.parameters()], loss)

    players = [player(own, second=own is network.second) for own in decoders]
    losses = compete(players, len(fit.device), lambda: loss_of(network, held), course)
    network.cpu()
    return losses


@torch.no_grad()
def loss_of(network: Network, lesson: Lesson) -> float:
    """Mean square error of the first decoder; 0 windows have none."""
    total, n = 0.0, len(lesson.device)
    if not n:
        return 0.0
    for rows in torch.split(torch.arange(n), CHUNK):
        batch = lesson[rows]
        seen = network.seen(batch.window, batch.device)
        context = network.context(batch.device, batch.clock)
        told = network.first(network.encode(seen, context), context)
        total += float(mse_loss(told, seen)) * len(batch.device)
    return total / n


def _adversary(sizes: Sizes, epoch: int, epochs: int) -> float:
    """Share of the adversary's part in the loss of an epoch, counted from 1."""
    if sizes.adversary is None:
        return 1 - 1 / epoch
    return sizes.adversary if epoch > epochs // 2 else 0.0


def _loss(network: Network, batch: Lesson, share: float, *, second: bool) -> Tensor:
    """The first player wants the second fooled by its windows; the second tells them apart."""
    seen = network.seen(batch.window, batch.device)
    context = network.context(batch.device, batch.clock)
    latent = network.encode(seen, context)
    own = network.second if second else network.first
    loss = (1 - share) * mse_loss(own(latent, context), seen)
    if share > 0:
        told = network.first(latent, context)
        again = network.second(network.encode(told, context), context)
        loss = loss + (-share if second else share) * mse_loss(again, seen)
    return loss
