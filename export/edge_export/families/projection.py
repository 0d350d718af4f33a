"""What expects without a network: the healthy mean, or its first principal components.

The rows that `vae` is held against: the same input, the same recipe, nothing learnt but means
and directions.
"""

import numpy as np
import torch
from torch import Tensor, nn

from edge_export.families.vae import Shown

__all__ = ["Projection", "project"]


class Projection(nn.Module):
    """Scaler and a projection on K directions; with none of them, the mean."""

    centre: Tensor  # (D, F or 1, C)
    scale: Tensor  # (D, F or 1, C), > 0
    directions: Tensor  # (K, F * C), orthonormal

    def __init__(self, centre: Tensor, scale: Tensor, directions: Tensor, lines: int) -> None:
        super().__init__()
        self.register_buffer("centre", centre)
        self.register_buffer("scale", scale)
        self.register_buffer("directions", directions)
        self.shape = (centre.shape[0], lines, centre.shape[2])  # (D, F, C)

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Observed and expected, both (B, F, C), scaled; and the place along the directions."""
        scaled = (window - self.centre[device]) / self.scale[device]
        latent = scaled.flatten(1) @ self.directions.T
        expected = (latent @ self.directions).reshape(-1, self.shape[1], self.shape[2])
        return scaled, expected, latent


def project(shown: Shown, centre: Tensor, scale: Tensor, directions: int) -> Projection:
    """The first `directions` principal components of standardised windows; 0: the mean.

    Args:
        shown: Windows to learn from.
        centre: Of each device, (D, F or 1, C).
        scale: Likewise.
        directions: K, fewer than windows.
    """
    _, lines, channels = shown.features.shape
    axes = np.zeros((1, lines * channels))  # of length nothing: expects the mean
    if directions:
        device = torch.from_numpy(shown.device)
        scaled = (torch.from_numpy(shown.features) - centre[device]) / scale[device]
        flat = scaled.flatten(1).double().numpy()
        # By the Gram matrix, since there are more lines than windows.
        power, mixed = np.linalg.eigh(flat @ flat.T)
        axes = (flat.T @ mixed[:, -directions:] / np.sqrt(power[-directions:])).T[::-1].copy()
    return Projection(centre, scale, torch.from_numpy(axes).float(), lines)
