"""The one training loop: Adam, half a cosine, early stopping, a bar, and a file to go on from."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_anomaly.errors import ConfigError
from edge_export.training.progress import training_bar

__all__ = ["Course", "fit"]

log = logging.getLogger(__name__)

CLIFF = 1.0  # norm that gradients are cut to: one odd window must not undo an epoch


@dataclass(frozen=True)
class Course:
    """How a model is trained."""

    epochs: int  # at most
    batch: int  # windows in a step
    learning_rate: float  # of Adam, falling to 0 along a half cosine
    patience: int  # epochs without a better held-out loss before training ends
    seed: int  # of the order of the windows
    threads: int = 1  # of torch; part of what makes a run repeat exactly
    device: str = "cpu"  # cpu or cuda
    checkpoint: Path | None = None  # written after every epoch; where it is there, gone on from
    purpose: str = ""  # what the checkpoint must have been made for: data and settings


def fit(
    model: nn.Module,
    windows: int,
    loss: Callable[[Tensor, Tensor], Tensor],
    held_out: Callable[[], float],
    course: Course,
    trainable: Iterable[nn.Parameter] | None = None,
) -> list[float]:
    """Train in place and leave the weights of the best epoch; return the held-out losses.

    Args:
        model: On the course's device; buffers are not touched.
        windows: N to learn from.
        loss: Of the windows with these rows (n,), given how far training is (0..1, a scalar).
        held_out: Loss over later windows, which only decides when to stop.
        course: The rest.
        trainable: All parameters by default; the others stay as they are, bit for bit.

    Raises:
        ConfigError: The checkpoint was made for other data or settings, or cannot be read.
    """
    torch.set_num_threads(course.threads)
    parameters = list(model.parameters() if trainable is None else trainable)
    optimiser = torch.optim.Adam(parameters, lr=course.learning_rate)
    steps = course.epochs * math.ceil(windows / course.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    order = torch.Generator().manual_seed(course.seed)
    run = _Run(parameters, optimiser, schedule, order)
    losses = run.resume(course) or [held_out()]
    if len(losses) == 1:
        run.best = [p.detach().clone() for p in parameters]
    done = (len(losses) - 1) * math.ceil(windows / course.batch)
    with training_bar() as bar:
        task = bar.add_task("train", total=steps, completed=done, loss=losses[-1])
        for epoch in range(len(losses), course.epochs + 1):
            if _settled(losses, course.patience):
                break
            for rows in torch.split(torch.randperm(windows, generator=order), course.batch):
                optimiser.zero_grad()
                value = loss(rows, torch.tensor(done / steps))
                value.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
                nn.utils.clip_grad_norm_(parameters, CLIFF)
                optimiser.step()
                schedule.step()
                done += 1
                bar.advance(task)
            losses.append(held_out())
            if losses[-1] < min(losses[:-1]):
                run.best = [p.detach().clone() for p in parameters]
            run.save(course, losses)
            bar.update(task, loss=losses[-1])
            # On a terminal the bar says it.
            level = logging.INFO if bar.disable else logging.DEBUG
            log.log(level, "epoch %d/%d: held-out loss %.3g", epoch, course.epochs, losses[-1])
    with torch.no_grad():
        for parameter, value in zip(parameters, run.best, strict=True):
            parameter.copy_(value)
    return losses


def _settled(losses: list[float], patience: int) -> bool:
    """Whether the last `patience` epochs brought nothing."""
    return losses.index(min(losses)) <= len(losses) - 1 - patience


@dataclass
class _Run:
    """What a checkpoint holds beside the losses."""

    parameters: list[nn.Parameter]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    order: torch.Generator

    def __post_init__(self) -> None:
        self.best = [p.detach().clone() for p in self.parameters]

    def save(self, course: Course, losses: list[float]) -> None:
        """Write the checkpoint, whole or not at all."""
        if course.checkpoint is None:
            return
        course.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = course.checkpoint.with_suffix(".tmp")
        torch.save(
            {
                "purpose": course.purpose,
                "losses": losses,
                "now": [p.detach() for p in self.parameters],
                "best": self.best,
                "optimiser": self.optimiser.state_dict(),
                "schedule": self.schedule.state_dict(),
                "order": self.order.get_state(),
            },
            temporary,
        )
        temporary.replace(course.checkpoint)

    @torch.no_grad()
    def resume(self, course: Course) -> list[float]:
        """The losses so far, with everything else put back; empty where nothing was saved."""
        if course.checkpoint is None or not course.checkpoint.exists():
            return []
        try:
            # No pickle is run: tensors and plain values alone are read.
            saved: dict[str, Any] = torch.load(
                course.checkpoint, map_location=course.device, weights_only=True
            )
            purpose, losses = saved["purpose"], saved["losses"]
        except Exception as exc:
            # torch, zipfile and pickle each raise classes of their own.
            raise ConfigError(f"{course.checkpoint}: not a checkpoint: {exc}") from exc
        if purpose != course.purpose:
            raise ConfigError(
                f"{course.checkpoint}: made for other recordings or settings; remove it to begin "
                "anew"
            )
        for parameter, now in zip(self.parameters, saved["now"], strict=True):
            parameter.copy_(now)
        self.best = saved["best"]
        self.optimiser.load_state_dict(saved["optimiser"])
        self.schedule.load_state_dict(saved["schedule"])
        self.order.set_state(saved["order"].cpu())
        log.info("going on after epoch %d of %s", len(losses) - 1, course.checkpoint)
        found: list[float] = losses
        return found
