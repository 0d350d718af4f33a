"""The training loop: learns, stops, repeats, goes on where it was left."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_anomaly.errors import ConfigError
from edge_export.training.loop import Course, Player, Step, compete, fit

COURSE = Course(epochs=6, batch=8, learning_rate=0.05, patience=6, seed=1)
X = torch.randn((64, 3), generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])


class Stopped(Exception):  # noqa: N818 - no error
    pass


def error(model: nn.Module) -> float:
    with torch.no_grad():
        return float(nn.functional.mse_loss(model(X), Y))


def run(course: Course, *, stop_after: int = 99) -> tuple[nn.Linear, list[float]]:
    torch.manual_seed(3)
    model, calls = nn.Linear(3, 1), 0

    def loss(rows: Tensor, _step: Step) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > stop_after * 8:
            raise Stopped
        return nn.functional.mse_loss(model(X[rows]), Y[rows])

    return model, fit(model, len(X), loss, lambda: error(model), course)


def test_it_learns_and_keeps_the_best_epoch() -> None:
    model, losses = run(COURSE)
    assert min(losses) < 0.5 * losses[0]
    assert error(model) == pytest.approx(min(losses), rel=1e-4)


def test_it_ends_when_held_out_time_gains_nothing() -> None:
    _, losses = run(replace(COURSE, epochs=50, learning_rate=0.0, patience=2))
    assert len(losses) == 3


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, want = run(COURSE)
    kept = replace(COURSE, checkpoint=tmp_path / "deep" / "run.pt", purpose="this")
    with pytest.raises(Stopped):
        run(kept, stop_after=3)
    model, losses = run(kept)
    assert losses == want
    assert torch.equal(model.weight, whole.weight)
    again, _ = run(kept)  # finished already: nothing is left to do
    assert torch.equal(again.weight, whole.weight)


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    kept = replace(COURSE, checkpoint=tmp_path / "run.pt", purpose="this", epochs=1)
    run(kept)
    with pytest.raises(ConfigError, match="made for other recordings or settings"):
        run(replace(kept, purpose="that"))
    (tmp_path / "run.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="not a checkpoint"):
        run(kept)


def test_only_what_is_to_be_trained_moves() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 1)
    model = nn.Sequential(first, second)
    before = first.weight.detach().clone()
    fit(
        model,
        len(X),
        lambda rows, _: nn.functional.mse_loss(model(X[rows]), Y[rows]),
        lambda: 0.0,
        COURSE,
        second.parameters(),
    )
    assert torch.equal(first.weight, before)


def test_without_patience_all_epochs_are_run_and_the_last_stands() -> None:
    model = nn.Linear(3, 1)
    rising = iter(range(100))
    losses = fit(
        model,
        len(X),
        lambda rows, _: nn.functional.mse_loss(model(X[rows]), Y[rows]),
        lambda: float(next(rising)),
        replace(COURSE, patience=None),
    )
    assert losses == [0, 1, 2, 3, 4, 5, 6]
    assert error(model) < 0.5


def test_players_take_turns_and_each_moves_what_is_its_own() -> None:
    calls: list[tuple[str, int]] = []
    models = {"first": nn.Linear(3, 1), "second": nn.Linear(3, 1)}

    def player(name: str) -> Player:
        def loss(rows: Tensor, step: Step) -> Tensor:
            calls.append((name, step.epoch))
            return nn.functional.mse_loss(models[name](X[rows]), Y[rows])

        return Player(list(models[name].parameters()), loss)

    course = replace(COURSE, epochs=2, batch=32, falling=False)
    compete([player("first"), player("second")], len(X), lambda: 1.0, course)
    assert calls == [(name, epoch) for epoch in (1, 1, 2, 2) for name in ("first", "second")]


def test_noise_is_a_steps_own() -> None:
    step = Step(1, 256)
    assert torch.equal(step.noise((4, 2), 7), step.noise((4, 2), 7))
    assert not torch.equal(step.noise((4, 2), 7), step.noise((4, 2), 8))
    many = [Step(1, number).noise((4, 2), 7) for number in range(512)]
    assert len({noise.numpy().tobytes() for noise in many}) == len(many)
