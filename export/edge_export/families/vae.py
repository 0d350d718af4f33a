"""`vae`: a variational autoencoder on vibration, 8192-512-256-128-16 and back.

The published recipe (preset `paper`) shows it raw waveforms, 2048 samples of four bearings, at
beta 1. There it is a meter of loudness: the phase of noise and of strikes is random and cannot
pass through 16 numbers, so that the decoder learns the mean and the latent collapses (KL 0;
correlation of error and energy .9999). The preset `default` keeps the network and changes what
it sees: of each bearing 1024 log power and 1024 log envelope lines averaged over one snapshot,
made by the agent's own kernel.

The published loss weighs the KL divergence against the *mean* square over the inputs, which is
a beta of 8192 against the sum that the bound asks for (Kingma and Welling, "Auto-Encoding
Variational Bayes", ICLR 2014, eq. 10); `default` weighs it against the sum.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_export.training.loop import Course, Step, fit

__all__ = ["Config", "Losses", "Shown", "Vae", "held_out", "train"]

SLOPE = 0.01  # of the LeakyReLU
# In an epoch, patience being counted in epochs: of 174 snapshots five epochs are 30 steps, and one
# training of four ended before it had begun (held-out error .93, of the others .79).
LEAST_STEPS = 24


@dataclass(frozen=True)
class Config:
    """What decides the trained weights, beside the recordings."""

    # What expects: the network; its first `latent` principal components in its place; or the
    # healthy mean. The last two are rows to hold it against.
    expects: Literal["network", "components", "mean"] = "network"
    spectral: bool = True  # see spectra of a snapshot, not its samples
    segment: int = 2048  # samples of a window: of Welch's, or of the waveform
    step: int = 1024  # samples from window to window
    windows: int = 8  # windows of a snapshot; without spectra each is seen by itself
    # What the envelope is of, as shares of half the sampling rate: above the shaft's harmonics,
    # below the recorder's filter. 2 to 9.5 kHz of 20.
    band: tuple[float, float] = (0.2, 0.95)
    layers: tuple[int, ...] = (512, 256, 128)  # units from the input to the latent, and back
    latent: int = 16  # width of what the encoder says
    beta: float = 1.0  # weight of the KL divergence ...
    summed: bool = True  # ... against the sum of the squared errors; False: against their mean
    strongest: int = 8  # envelope lines that count beside the mean square; 0: none do
    fewest_nats: float = 1.0  # KL below which the latent says nothing: the model is refused
    learning_rate: float = 1e-3  # of Adam
    batch: int = 32  # windows in a step
    epochs: int = 60  # at most; a thousand snapshots are learnt in 5 to 10
    patience: int = 5  # epochs without a better held-out loss before training ends
    stride: int = 1  # hops between the windows to learn from
    held_out: float = 0.3  # last share of each device's time: stops training, calibrates
    seed: int = 0  # weights, order and noise
    threads: int = 1  # of torch; part of what makes a run repeat exactly

    @property
    def window(self) -> int:
        """Samples that the branch looks at."""
        return self.segment + (self.windows - 1 if self.spectral else 0) * self.step

    @property
    def hop(self) -> int:
        """Samples from one look to the next: snapshots do not overlap, windows do."""
        return self.window if self.spectral else self.step


@dataclass(frozen=True)
class Shown:
    """What the network is shown of N windows."""

    features: NDArray[np.float32]  # (N, F, C) spectra or samples
    device: NDArray[np.int64]  # (N,)


@dataclass(frozen=True)
class Losses:
    """What training came to on held-out windows, without noise."""

    total: list[float]  # what training makes small, by epoch; the first is before training
    error: float  # mean square of the best epoch, scaled units
    nats: float  # its KL divergence: what the latent says of a window

    @property
    def best(self) -> int:
        """The epoch whose weights stand."""
        return self.total.index(min(self.total))


class Vae(nn.Module):
    """Scaler, encoder and decoder; the latent is its mean, without noise."""

    centre: Tensor  # (D, F or 1, C)
    scale: Tensor  # (D, F or 1, C), > 0

    def __init__(self, centre: Tensor, scale: Tensor, config: Config) -> None:
        super().__init__()
        self.register_buffer("centre", centre.float())
        self.register_buffer("scale", scale.float())
        self.config = config
        self.channels = centre.shape[2]
        self.shape = (centre.shape[0], config.segment, self.channels)  # (D, F, C)
        self.inputs = config.segment * self.channels
        widths = [self.inputs, *config.layers]
        # Of a nat beside the mean square error.
        self.weight = config.beta / (self.inputs if config.summed else 1)
        self.encoder = _stack(widths)
        self.mean = nn.Linear(widths[-1], config.latent)
        self.log_variance = nn.Linear(widths[-1], config.latent)
        self.decoder = nn.Sequential(
            *_stack([config.latent, *reversed(config.layers)]), nn.Linear(widths[1], self.inputs)
        )

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Observed and expected, both (B, F, C), scaled; and the latent, (B, latent).

        Args:
            window: Spectra or samples, (B, F, C).
            device: Whose scaler, int64, (B,).
        """
        scaled = self.scaled(window, device)
        latent = self.mean(self.encoder(scaled.flatten(1)))
        return scaled, self.decoder(latent).reshape(window.shape), latent

    def scaled(self, window: Tensor, device: Tensor) -> Tensor:
        """(B, F, C) in scaled units."""
        centre, scale = self.centre.index_select(0, device), self.scale.index_select(0, device)
        return (window - centre) / scale

    def loss(self, window: Tensor, device: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean square error and KL divergence in nats, means over the batch.

        Args:
            window: Shape (B, F, C).
            device: Shape (B,).
            noise: Of the latent, standard normal, (B, latent); None takes its mean.
        """
        # The order of inputs means nothing to a dense layer: as they lie, not bearing by bearing.
        flat = self.scaled(window, device).flatten(1)
        seen = self.encoder(flat)
        mean, log_variance = self.mean(seen), self.log_variance(seen)
        latent = mean if noise is None else mean + noise * torch.exp(0.5 * log_variance)
        error = nn.functional.mse_loss(self.decoder(latent), flat)
        nats = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return error, nats


def _stack(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers)


def train(model: Vae, shown: Shown, held: Shown, course: Course) -> Losses:
    """Train in place and leave the weights of the best epoch, on the CPU.

    Args:
        model: Its config says how.
        shown: To learn from.
        held: Of later time; only decides when to stop.
        course: Where, and from what to go on.
    """
    model.to(course.device)
    window = torch.from_numpy(shown.features).to(course.device)
    device = torch.from_numpy(shown.device).to(course.device)

    passes = math.ceil(LEAST_STEPS * course.batch / max(1, len(device)))  # that make an epoch

    def loss(rows: Tensor, step: Step) -> Tensor:
        rows = rows % len(device)
        noise = step.noise((len(rows), model.config.latent), course.seed).to(course.device)
        error, nats = model.loss(window[rows], device[rows], noise)
        return error + model.weight * nats

    def judged() -> float:
        error, nats = held_out(model, held)
        return error + model.weight * nats

    total = fit(model, passes * len(device), loss, judged, course)
    error, nats = held_out(model, held)
    model.cpu()
    return Losses(total, error, nats)


@torch.no_grad()
def held_out(model: Vae, held: Shown, batch: int = 256) -> tuple[float, float]:
    """Mean square error and KL divergence over `held`, without noise."""
    total, place = np.zeros(2), model.centre.device
    for start in range(0, len(held.device), batch):
        rows = slice(start, start + batch)
        window = torch.from_numpy(held.features[rows]).to(place)
        device = torch.from_numpy(held.device[rows]).to(place)
        error, nats = model.loss(window, device, None)
        total += np.array([float(error), float(nats)]) * len(device)
    mean_error, mean_nats = (total / max(1, len(held.device))).tolist()
    return mean_error, mean_nats
