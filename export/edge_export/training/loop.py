"""The one training loop: Adam, early stopping, a bar, and a file to go on from."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edge_export.training.checkpoint import Checkpoint
from edge_export.training.progress import training_bar

__all__ = ["Course", "Player", "Step", "compete", "fit"]

log = logging.getLogger(__name__)

CLIFF = 1.0  # norm that gradients are cut to: one odd window must not undo an epoch


@dataclass(frozen=True)
class Course:
    """How a model is trained."""

    epochs: int  # at most
    batch: int  # windows in a step
    learning_rate: float  # of Adam
    # Epochs without a better held-out loss before training ends; the best epoch's weights stand.
    # None: all epochs are run and the last one's stand, as where players pull at each other.
    patience: int | None
    seed: int  # of the order of the windows
    falling: bool = True  # the learning rate falls to 0 along a half cosine
    threads: int = 1  # of torch; part of what makes a run repeat exactly
    device: str = "cpu"  # cpu or cuda
    checkpoint: Path | None = None  # written after every epoch; where it is there, gone on from
    purpose: str = ""  # what the checkpoint must have been made for: data and settings
    part: str = "model"  # what is trained, for the bar


@dataclass(frozen=True)
class Step:
    """Where in its course a training is."""

    epoch: int  # from 1
    number: int  # of steps before it

    def noise(self, shape: tuple[int, ...], seed: int) -> Tensor:
        """Standard normal numbers of this step alone: a run that is gone on with draws them too."""
        # The generator takes the lower 32 bits of a seed: those have to hold everything.
        [mixed] = np.random.SeedSequence((seed, self.number)).generate_state(1)
        drawn = torch.Generator().manual_seed(int(mixed))
        return torch.randn(shape, generator=drawn)


@dataclass(frozen=True)
class Player:
    """Parameters, and what they are moved to make small."""

    parameters: Sequence[nn.Parameter]
    loss: Callable[[Tensor, Step], Tensor]  # of the windows with these rows (n,)


def fit(
    model: nn.Module,
    windows: int,
    loss: Callable[[Tensor, Step], Tensor],
    held_out: Callable[[], float],
    course: Course,
    trainable: Iterable[nn.Parameter] | None = None,
) -> list[float]:
    """Train in place and return the held-out losses, the first before training.

    Args:
        model: On the course's device; buffers are not touched.
        windows: N to learn from.
        loss: Of the windows with these rows (n,).
        held_out: Loss over later windows, which only decides when to stop.
        course: The rest.
        trainable: All parameters by default; the others stay as they are, bit for bit.

    Raises:
        ConfigError: The checkpoint was made for other data or settings, or cannot be read.
    """
    parameters = list(model.parameters() if trainable is None else trainable)
    return compete([Player(parameters, loss)], windows, held_out, course)


def compete(
    players: Sequence[Player], windows: int, held_out: Callable[[], float], course: Course
) -> list[float]:
    """`fit` for several that take turns at every batch and may share parameters."""
    torch.set_num_threads(course.threads)
    an_epoch = math.ceil(windows / course.batch)
    steps = course.epochs * an_epoch
    optimisers = [torch.optim.Adam(p.parameters, lr=course.learning_rate) for p in players]
    schedules = [_schedule(optimiser, steps, course) for optimiser in optimisers]
    order = torch.Generator().manual_seed(course.seed)
    parameters = list(dict.fromkeys(p for player in players for p in player.parameters))
    run = Checkpoint(parameters, optimisers, schedules, order)
    if course.checkpoint is not None:
        run.resume(course.checkpoint, course.purpose, course.device)
    if not run.losses:
        run.losses.append(held_out())
    done = (len(run.losses) - 1) * an_epoch
    with training_bar() as bar:
        task = bar.add_task(course.part, total=steps, completed=done, loss=run.losses[-1])
        for epoch in range(len(run.losses), course.epochs + 1):
            if _settled(run.losses, course.patience):
                break
            for rows in torch.split(torch.randperm(windows, generator=order), course.batch):
                step = Step(epoch, done)
                for player, optimiser, schedule in zip(players, optimisers, schedules, strict=True):
                    optimiser.zero_grad()
                    value = player.loss(rows, step)
                    value.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
                    nn.utils.clip_grad_norm_(player.parameters, CLIFF)
                    optimiser.step()
                    schedule.step()
                done += 1
                bar.advance(task)
            run.note(held_out(), keep=course.patience is None)
            if course.checkpoint is not None:
                run.save(course.checkpoint, course.purpose)
            bar.update(task, loss=run.losses[-1])
            # On a terminal the bar says it.
            level = logging.INFO if bar.disable else logging.DEBUG
            log.log(level, "epoch %d/%d: held-out loss %.3g", epoch, course.epochs, run.losses[-1])
    run.restore()
    return run.losses


def _schedule(
    optimiser: torch.optim.Optimizer, steps: int, course: Course
) -> torch.optim.lr_scheduler.LRScheduler:
    if course.falling:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    return torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)


def _settled(losses: list[float], patience: int | None) -> bool:
    """Whether the last `patience` epochs brought nothing."""
    return patience is not None and losses.index(min(losses)) <= len(losses) - 1 - patience
