"""Where a training stands after an epoch: all that the next one depends on, in one file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge_anomaly.errors import ConfigError

__all__ = ["Checkpoint"]

log = logging.getLogger(__name__)


class Checkpoint:
    """Parameters, optimisers, schedules, the order's generator, losses and the best weights.

    A run that goes on from it is, on a CPU, bit for bit the run that was never stopped.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        optimisers: Sequence[torch.optim.Optimizer],
        schedules: Sequence[torch.optim.lr_scheduler.LRScheduler],
        order: torch.Generator,
    ) -> None:
        self.parameters = parameters
        self.losses: list[float] = []  # held out, by epoch; the first before training
        self._states: Sequence[Any] = (*optimisers, *schedules)
        self._order = order
        self._best = self._now()

    def note(self, loss: float, *, keep: bool) -> None:
        """An epoch is over; its weights are kept if told so or if none was better."""
        if keep or loss < min(self.losses):
            self._best = self._now()
        self.losses.append(loss)

    @torch.no_grad()
    def restore(self) -> None:
        """Put the weights that were kept into the model."""
        for parameter, value in zip(self.parameters, self._best, strict=True):
            parameter.copy_(value)

    def save(self, path: Path, purpose: str) -> None:
        """Write the file, whole or not at all.

        Args:
            path: An older one there is replaced.
            purpose: Says what data and settings it is for.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        content = {
            "purpose": purpose,
            "losses": self.losses,
            "now": [p.detach() for p in self.parameters],
            "best": self._best,
            "states": [state.state_dict() for state in self._states],
            "order": self._order.get_state(),
        }
        torch.save(content, temporary)
        temporary.replace(path)

    @torch.no_grad()
    def resume(self, path: Path, purpose: str, device: str) -> None:
        """Put everything back as the file has it; nothing where there is none.

        Raises:
            ConfigError: It was made for something else, or cannot be read; nothing was changed.
        """
        if not path.exists():
            return
        try:
            # No pickle is run: tensors and plain values alone are read.
            saved: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            made_for = saved["purpose"]
        except Exception as exc:
            # torch, zipfile and pickle each raise classes of their own.
            raise ConfigError(f"{path}: not a checkpoint: {exc}") from exc
        if made_for != purpose:
            raise ConfigError(
                f"{path}: made for other recordings or settings; remove it to begin anew"
            )
        for parameter, now in zip(self.parameters, saved["now"], strict=True):
            parameter.copy_(now)
        for state, value in zip(self._states, saved["states"], strict=True):
            state.load_state_dict(value)
        self._best, self.losses = saved["best"], saved["losses"]
        self._order.set_state(saved["order"].cpu())
        log.info("going on after epoch %d of %s", len(self.losses) - 1, path)

    def _now(self) -> list[torch.Tensor]:
        return [p.detach().clone() for p in self.parameters]
