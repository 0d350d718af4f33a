"""What a gateway runs of `gevae`: encode the newest window, and tell the next one ahead of it."""

import copy

import torch
from torch import Tensor, nn

from edge_anomaly.wishes import Wishes
from edge_export.families.gevae import Decoder, Gevae

__all__ = ["WISHES", "Ahead", "Encode", "Named", "NamedAhead", "scored"]

# What the layers of 38 nodes hand on in a run then stays in a core's second cache, 2 MB; and two
# threads with one session run 1.75 times what one does, with an arena 1.6 times.
WISHES = Wishes(rows=32, arena=False)


class Encode(nn.Module):
    """The newest window: what was observed, and the latents with its own at the end."""

    def __init__(self, model: Gevae, encoder: nn.Module) -> None:
        """Of `model`, with its own encoder or that as a `DenseEncoder`."""
        super().__init__()
        self.scaler, self.encoder = model.scaler, encoder
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

    def __init__(self, model: Gevae, decoder: nn.Module) -> None:
        """Of `model`, with the decoder that `scored` gives or that as a `DenseDecoder`."""
        super().__init__()
        self.predictor, self.decoder = model.predictor, decoder

    def forward(self, state: Tensor, device: Tensor) -> tuple[Tensor]:
        """(B, L, latent), (B,) -> (B, S, N)."""
        return (self.decoder(self.predictor(state), device),)


def scored(model: Gevae) -> Decoder:
    """The decoder of the steps that are scored: all, or the last one."""
    if model.config.whole:
        return model.decoder
    decoder, steps = copy.deepcopy(model.decoder), model.decoder.steps
    last = nn.Linear(steps.in_features, 1)
    last.weight.data, last.bias.data = steps.weight.data[-1:], steps.bias.data[-1:]
    decoder.steps = last
    return decoder


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
