from dataclasses import replace

import numpy as np
import pytest
import torch

from edge_export.families.usad_network import Lesson, Network, Sizes, loss_of, train_network
from edge_export.graphs.exporting import to_onnx
from edge_export.training.loop import Course

SIZES = Sizes(
    window=12,
    latent=3,
    hidden=10,
    clock=True,
    adversary=0.2,
    both=False,
)
COURSE = Course(
    epochs=4, batch=32, learning_rate=5e-3, patience=None, seed=0, falling=False, part="network"
)
DEVICES, SIGNALS = 3, 2


def lesson(n: int = 200, seed: int = 0) -> Lesson:
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 2 * np.pi, n)[:, None] + np.arange(SIZES.window) / 4
    window = np.stack([np.sin(turn), np.cos(turn)], axis=2) * 5 + 20
    clock = np.stack([np.sin(turn), np.cos(turn), np.sin(turn / 7), np.cos(turn / 7)], axis=2)
    device = rng.integers(0, DEVICES, n)
    return Lesson.of(window.astype(np.float32), device, clock.astype(np.float32))


def network(sizes: Sizes = SIZES, devices: int = DEVICES) -> Network:
    torch.manual_seed(0)
    centre = np.full((devices, SIGNALS), 20, np.float32)
    return Network(centre, np.full_like(centre, 10), sizes)


def test_learns_and_repeats_exactly() -> None:
    one, other = network(), network()
    losses = train_network(one, lesson(), lesson(50, 1), COURSE)
    assert losses[-1] < 0.5 * losses[0]
    assert train_network(other, lesson(), lesson(50, 1), COURSE) == losses
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_soft_schedule_ends_where_the_published_one_does_not() -> None:
    long = replace(COURSE, epochs=12)
    soft, hard = network(), network(replace(SIZES, adversary=None))
    ended = train_network(soft, lesson(), lesson(50, 1), long)
    published = train_network(hard, lesson(), lesson(50, 1), long)
    assert ended[-1] < published[-1]


def test_expected_values_stay_within_the_training_range() -> None:
    some = lesson(20)
    _, expected = network()(some.window * 100, some.device, some.clock)
    assert expected.abs().max() <= 0.5


def test_time_is_told_to_both_ends() -> None:
    some, model = lesson(20), network()
    later = some.clock.roll(3, dims=1)
    _, now = model(some.window, some.device, some.clock)
    _, then = model(some.window, some.device, later)
    assert not torch.allclose(now, then)
    untold = network(replace(SIZES, clock=False))
    _, now = untold(some.window, some.device, some.clock)
    _, then = untold(some.window, some.device, later)
    assert torch.equal(now, then)


def test_a_weekend_is_saturday_and_sunday() -> None:
    angle = 2 * np.pi * (np.arange(28) + 0.5) / 28  # quarters of days from Monday on
    clock = np.stack([np.sin(4 * angle), np.cos(4 * angle), np.sin(angle), np.cos(angle)], axis=1)
    context = network().context(
        torch.zeros(1, dtype=torch.int64), torch.from_numpy(clock[None].astype(np.float32))
    )
    assert context[0, :, 6].tolist() == [0.0] * 20 + [1.0] * 8


def test_the_second_decoder_scores_only_where_asked() -> None:
    some = lesson(5)
    once, twice = network(), network(replace(SIZES, both=True))
    _, first = once(some.window, some.device, some.clock)
    _, second = twice(some.window, some.device, some.clock)
    assert not torch.allclose(first, second)


def test_no_windows_have_no_loss() -> None:
    assert loss_of(network(), lesson(0)) == 0


@pytest.mark.parametrize("devices", [1, DEVICES])
def test_an_example_of_one_row_would_fix_the_batch_and_is_refused(devices: int) -> None:
    some = lesson(1)
    with pytest.raises(ValueError, match="two rows"):
        to_onnx(
            network(devices=devices),
            {"window": some.window, "device": some.device, "clock": some.clock},
            ["observed", "expected"],
        )
