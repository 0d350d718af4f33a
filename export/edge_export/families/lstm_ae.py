"""`lstm-ae`: one shared encoder, one decoder head per device.

The compressor-aware autoencoder: LSTM 64, LSTM 32, Dense 16; RepeatVector, LSTM 32, LSTM 64,
Dense C; windows of 30 slots. A device picks its scaler and its head; it is neither an input
feature nor a target, so that the encoder learns what the devices have in common.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_export.calibration.recipes import check_statistic
from edge_export.data.recordings import Windows
from edge_export.training.loop import Course, fit

__all__ = [
    "Config",
    "Encoder",
    "Head",
    "LstmAe",
    "Scaler",
    "course_of",
    "held_out_loss",
    "train",
]


@dataclass(frozen=True)
class Config:
    """What decides the trained weights, beside the recordings."""

    window: int = 30  # slots the model looks at
    outer: int = 64  # units of the LSTM next to the signals
    inner: int = 32  # units of the LSTM next to the latent
    latent: int = 16  # width of what the encoder says about a window
    clip: float = 3.0  # scaled values beyond +-clip are cut: one spike must not rule a window
    # What of a residual counts: each signal by itself, or the distance of all together, which is
    # better where signals are correlated and noise is Gaussian: mahalanobis.
    statistic: str = "residual"
    with_raw: bool = True  # the residual counts beside what whitening leaves of it
    stride: int = 2  # hops between training windows: neighbours teach nearly the same
    epochs: int = 8  # at most; held-out loss flattens after 5 to 8 on eight servers
    batch: int = 256  # windows of all devices together in a step
    learning_rate: float = 5e-3  # of Adam, falling to 0 along a half cosine
    patience: int = 2  # epochs without a better held-out loss before training ends
    held_out: float = 0.2  # last share of each device's time: stops training, calibrates
    seed: int = 0  # weights and order of the windows
    threads: int = 1  # of torch; part of what makes a run repeat exactly

    def __post_init__(self) -> None:
        check_statistic(self.statistic)


class Scaler(nn.Module):
    """Engineering units to scaled units, per device."""

    centre: Tensor  # (D, C)
    scale: Tensor  # (D, C), > 0

    def __init__(self, centre: Tensor, scale: Tensor, clip: float) -> None:
        super().__init__()
        self.register_buffer("centre", centre.float())
        self.register_buffer("scale", scale.float())
        self.clip = clip

    def forward(self, window: Tensor, device: Tensor) -> Tensor:
        """(B, W, C) and (B,) -> (B, W, C) within +-clip."""
        centre, scale = self.centre[device].unsqueeze(1), self.scale[device].unsqueeze(1)
        return ((window - centre) / scale).clamp(-self.clip, self.clip)


class Encoder(nn.Module):
    """What a window is like, whatever the device."""

    def __init__(self, signals: int, config: Config) -> None:
        super().__init__()
        self.outer = nn.LSTM(signals, config.outer, batch_first=True)
        self.inner = nn.LSTM(config.outer, config.inner, batch_first=True)
        self.dense = nn.Linear(config.inner, config.latent)

    def forward(self, scaled: Tensor) -> Tensor:
        """(B, W, C) -> (B, latent)."""
        sequence, _ = self.outer(scaled)  # (B, W, outer)
        _, (last, _) = self.inner(sequence)  # (1, B, inner)
        latent: Tensor = self.dense(last[0])
        return latent


class Head(nn.Module):
    """One device's way back from the latent to its signals."""

    def __init__(self, signals: int, config: Config) -> None:
        super().__init__()
        self.inner = nn.LSTM(config.latent, config.inner, batch_first=True)
        self.outer = nn.LSTM(config.inner, config.outer, batch_first=True)
        self.dense = nn.Linear(config.outer, signals)

    def forward(self, latent: Tensor, steps: int) -> Tensor:
        """(B, latent) -> (B, steps, C)."""
        repeated = latent.unsqueeze(1).expand(-1, steps, -1)  # (B, steps, latent)
        sequence, _ = self.inner(repeated)  # (B, steps, inner)
        sequence, _ = self.outer(sequence)  # (B, steps, outer)
        out: Tensor = self.dense(sequence)
        return out


class LstmAe(nn.Module):
    """Scaler, shared encoder and D heads; only the heads that a batch needs run."""

    def __init__(self, scaler: Scaler, config: Config) -> None:
        super().__init__()
        devices, signals = scaler.centre.shape
        self.config = config
        self.scaler = scaler
        self.encoder = Encoder(signals, config)
        self.heads = nn.ModuleList(Head(signals, config) for _ in range(devices))

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor]:
        """Observed and expected values of the last step, both (B, 1, C), scaled.

        Args:
            window: Engineering units, (B, W, C).
            device: Which scaler and head, int64, (B,).
        """
        scaled = self.scaler(window, device)
        return scaled[:, -1:], self.decode(self.encoder(scaled), device)[:, -1:]

    def decode(self, latent: Tensor, device: Tensor) -> Tensor:
        """Each window through its device's head, (B, latent) -> (B, W, C)."""
        out = latent.new_empty(len(device), self.config.window, self.scaler.centre.shape[1])
        for d in torch.unique(device).tolist():
            rows = (device == d).nonzero()[:, 0]
            out[rows] = self.heads[d](latent[rows], self.config.window)
        return out

    def loss(self, window: Tensor, device: Tensor) -> Tensor:
        """Mean square error over the whole window, scaled units."""
        scaled = self.scaler(window, device)
        return nn.functional.mse_loss(self.decode(self.encoder(scaled), device), scaled)


def train(
    model: LstmAe,
    fit_windows: Windows,
    held: Windows,
    trainable: Iterable[nn.Parameter] | None = None,
    course: Course | None = None,
) -> list[float]:
    """Train in place and leave the weights of the best epoch; return the held-out losses.

    Args:
        model: Its config says how.
        fit_windows: Windows to learn from.
        held: Later windows that only decide when to stop.
        trainable: All parameters by default; the others stay as they are, bit for bit.
        course: Where and from what to go on; the config's own by default.
    """
    course = course or course_of(model.config)
    model.to(course.device)
    window = torch.from_numpy(fit_windows.window).to(course.device)
    device = torch.from_numpy(fit_windows.device).to(course.device)
    losses = fit(
        model,
        len(fit_windows),
        lambda rows, _: model.loss(window[rows], device[rows]),
        lambda: held_out_loss(model, held),
        course,
        trainable,
    )
    model.cpu()
    return losses


def course_of(config: Config) -> Course:
    """How the config wants it trained."""
    return Course(
        config.epochs,
        config.batch,
        config.learning_rate,
        config.patience,
        config.seed,
        threads=config.threads,
    )


@torch.no_grad()
def held_out_loss(model: LstmAe, held: Windows, batch: int = 1024) -> float:
    """Mean loss over `held`; 0 windows have no loss."""
    total = 0.0
    for start in range(0, len(held), batch):
        rows = slice(start, start + batch)
        window = torch.from_numpy(held.window[rows]).to(model.scaler.centre.device)
        device = torch.from_numpy(held.device[rows]).to(model.scaler.centre.device)
        total += float(model.loss(window, device)) * len(device)
    return total / max(1, len(held))
