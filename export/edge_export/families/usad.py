"""`usad`: rhythm, residuals over several spans, Isolation Forests; with or without a network.

The default has no network: each signal against its own week, statistics of that residual over
one, two and four hours, a forest over those of each span. With `network` an adversarial
autoencoder that is told the time adds a second opinion of the same kind. `paper` is the published
system: window lengths from the spectrum of the differenced series, the published schedule, half
mean square and half DTW error as the only feature of a forest, two of three windows to agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT, Branch, Stage
from edge_export.calibration.rules import BUDGET, Rule
from edge_export.data.periods import rhythm
from edge_export.data.recordings import Recording, Windows
from edge_export.families.family import Family, Grown, Material, Trained, UselessModelError
from edge_export.families.usad_network import WISHES, Lesson, Network, Sizes, train_network
from edge_export.graphs.exporting import to_onnx, to_torchscript
from edge_export.graphs.verify import TorchGraph
from edge_export.training.loop import Course
from edge_kernels import band_radius

__all__ = ["FAMILIES", "FAMILY", "PRESETS", "Config", "settle", "spans", "train"]

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
LONGEST = 96  # slots that the network looks at, at most
WINDOWS = 3  # of the published system
ALWAYS = (24, 12, 6)  # published: lengths where the spectrum offers fewer
BAND = 0.1  # published: of a window, by which elastic matching may shift
DAYS_TO_TELL = 21  # of time to learn from, or the time of the week would only name each window
USELESS = 0.9  # share of the held-out variance that a network may miss


@dataclass(frozen=True)
class Config:
    """What decides the model, beside the recordings."""

    window: int = 0  # slots of the longest branch; 0: from `hours` and the rhythm
    hours: tuple[float, ...] = (1.0, 2.0, 4.0)  # spans over which residuals are summed up
    trees: int = 200  # of each forest
    network: bool = False  # add the autoencoder; the power tables say what it is worth
    published: bool = False  # the article's pipeline instead of all that
    context: int = 0  # slots that the network looks at; 0: the longest rhythm of at most 96
    lengths: tuple[int, ...] = ()  # published: slots of each window; (): from the spectrum
    radius: int = 3  # slots by which elastic matching may shift; of windows as published: a tenth
    latent: int = 6  # numbers the network keeps of a window; more copy faults
    hidden: int = 48  # channels of its convolutions, units of its GRUs
    adversary: float = 0.2  # the adversary's share of the loss in the second half of the epochs
    epochs: int = 8  # more copy faults
    batch: int = 64  # windows in a step
    learning_rate: float = 2e-3  # of Adam
    every: int = 4  # hops between the windows that the network learns from
    stride: int = 1  # hops between the windows that tables and forests learn from
    held_out: float = 0.2  # last share of each device's time: calibrates
    seed: int = 0  # of weights and order; forests have seeds of their own
    threads: int = 1  # of torch; part of what makes a run repeat exactly


PRESETS = {
    "default": Config(),
    "network": Config(network=True),
    "no-network": Config(),
    "paper": Config(published=True, latent=32, adversary=0.0, epochs=6, every=2),
}


def settle(recordings: Sequence[Recording], config: Config, period_ns: int) -> Config:
    """`config` with window lengths that fit the slots and the rhythm of the time to learn from.

    Raises:
        ConfigError: A span has no length, or a window given does not fit the rest.
    """
    if config.published:
        lengths = config.lengths or _lengths(recordings, config, period_ns)
        if config.window not in {0, max(lengths)}:
            raise ConfigError(f"window: the longest of {lengths} slots is what it must be")
        return replace(config, window=max(lengths), lengths=tuple(lengths))
    needed = max(spans(config, period_ns))
    if 0 < config.window < needed:
        raise ConfigError(f"window: {config.window} slots do not hold the {needed} of `hours`")
    if not config.network:
        return replace(config, window=max(needed, config.window))
    found = rhythm(recordings, period_ns, share=1 - config.held_out)
    context = config.context or config.window or found.longest(LONGEST) or LONGEST
    longest = max(needed, context, config.window)
    return replace(config, window=longest, context=longest)


def spans(config: Config, period_ns: int) -> list[int]:
    """The spans of `hours` in slots, at least two each, rising.

    Raises:
        ConfigError: There are none, or one is not positive.
    """
    if not config.hours or min(config.hours) <= 0:
        raise ConfigError(f"hours: expected spans above 0, got {config.hours}")
    return sorted({max(2, round(hours * HOUR_NS / period_ns)) for hours in config.hours})


def _lengths(recordings: Sequence[Recording], config: Config, period_ns: int) -> list[int]:
    """The strongest periods of the differenced series as published, in slots."""
    found = rhythm(
        recordings, period_ns, count=WINDOWS, differenced=True, share=1 - config.held_out
    )
    periods = [min(max(round(period), 2), 2 * LONGEST) for period in found.periods]
    return list(dict.fromkeys([*periods, *ALWAYS]))[:WINDOWS]


def train(material: Material, config: Config) -> Trained:
    """Branches of the recordings' own; tables and forests are fitted when the bundle calibrates.

    Raises:
        UselessModelError: The network explains next to nothing of what was held out.
    """
    trained = _published(material, config) if config.published else _default(material, config)
    found = rhythm(material.recordings, material.slicing.period_ns, share=1 - config.held_out)
    periods = {f"period_{i}": period for i, period in enumerate(found.periods, start=1)}
    return replace(trained, metrics={**periods, **trained.metrics})


def _default(material: Material, config: Config) -> Trained:
    week = max(spans(config, material.slicing.period_ns)) if config.network else config.window
    grown, metrics = [_week(material, config, week)], dict[str, float]()
    curves: dict[str, list[float]] = {}
    if config.network:
        network, metrics, curves["held out"] = _network(material, config)
        grown.append(network)
    return Trained(grown, [Stage(stage="combine")], metrics=metrics, curves=curves)


def _week(material: Material, config: Config, window: int) -> Grown:
    """The branch without a graph: each signal against its own week."""
    recipe = [
        Stage(stage="profile"),
        Stage(stage="features", spans=spans(config, material.slicing.period_ns)),
        Stage(stage="forest", trees=config.trees),
    ]
    return Grown(Branch(name="week", window=window, hop=material.slicing.hop, recipe=recipe))


def _network(material: Material, config: Config) -> tuple[Grown, dict[str, float], list[float]]:
    sizes = _sizes(config, config.context, clock=_days(material) >= DAYS_TO_TELL)
    network, losses = _trained(material, config, sizes)
    missed = losses[-1] / max(1e-12, _variance(material, config.context))
    if missed >= USELESS:
        raise UselessModelError(
            f"the network misses {missed:.0%} of the variance of held-out time: train it longer, "
            "or leave it out with --no-network"
        )
    recipe = [
        Stage(stage="residual", span="whole"),
        Stage(
            stage="features", spans=spans(config, material.slicing.period_ns), radius=config.radius
        ),
        Stage(stage="forest", trees=config.trees),
    ]
    branch = _branch("network", material, config.context, recipe)
    metrics = {"epochs": float(config.epochs), "held_out_loss": losses[-1], "missed": missed}
    return _grown(branch, network, material), metrics, losses


def _published(material: Material, config: Config) -> Trained:
    """A window, a network and a forest for each length; two of three must agree."""
    grown, metrics, curves = [], {}, {}
    for length in config.lengths:
        name, sizes = f"window-{length}", _sizes(config, length, clock=False)
        network, losses = _trained(material, config, sizes, name)
        recipe = [
            Stage(stage="elastic", radius=max(1, band_radius(length, BAND)), share=0.5),
            Stage(stage="forest", trees=config.trees),
        ]
        branch = _branch(name, material, length, recipe)
        grown.append(_grown(branch, network, material))
        metrics[f"{name}.held_out_loss"] = losses[-1]
        curves[f"window of {length}, held out"] = losses
    votes = min(2, len(grown))
    together = [Stage(stage="combine", how="votes", votes=votes)]
    return Trained(grown, together, metrics=metrics, curves=curves)


def _days(material: Material) -> float:
    """How long the windows to learn from last."""
    slots = np.ptp(material.parts.fit.slot)
    return float(slots * material.slicing.period_ns / DAY_NS)


def _branch(name: str, material: Material, window: int, recipe: list[Stage]) -> Branch:
    return Branch(name=name, window=window, hop=material.slicing.hop, heads=True, recipe=recipe)


def _sizes(config: Config, window: int, *, clock: bool) -> Sizes:
    return Sizes(
        window=window,
        latent=config.latent,
        hidden=config.hidden,
        clock=clock,
        adversary=None if config.published else config.adversary,
        both=config.published,
    )


def _course(config: Config) -> Course:
    return Course(
        epochs=config.epochs,
        batch=config.batch,
        learning_rate=config.learning_rate,
        patience=None,  # of adversaries no held-out loss tells the best epoch
        seed=config.seed,
        falling=False,
        threads=config.threads,
    )


def _trained(
    material: Material, config: Config, sizes: Sizes, part: str = "network"
) -> tuple[Network, list[float]]:
    parts = material.parts
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Network(parts.centre, parts.scale, sizes)
    fit = _lesson(material, parts.fit[:: config.every], sizes.window)
    held = _lesson(material, parts.held[:: config.every], sizes.window)
    losses = train_network(network, fit, held, material.course(_course(config), part))
    return network.eval(), losses


def _lesson(material: Material, windows: Windows, length: int) -> Lesson:
    own = replace(windows, window=np.ascontiguousarray(windows.window[:, -length:]))
    return Lesson.of(own.window, own.device, material.clock(own))


def _variance(material: Material, length: int) -> float:
    """Of held-out windows in widths of the training range, mean over devices and signals."""
    parts = material.parts
    held = parts.held
    scaled = (held.window[:, -length:] - parts.centre[held.device, None]) / parts.scale[
        held.device, None
    ]
    return float(scaled.var(axis=(0, 1)).mean())


class _Untold(nn.Module):
    """The published network, which is not told the time."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor]:
        """As `Network.forward`."""
        clock = window.new_zeros([window.shape[0], window.shape[1], 4])
        observed, expected = self.network(window, device, clock)
        return observed, expected


def _grown(branch: Branch, network: Network, material: Material) -> Grown:
    """The scoring path as graphs."""
    rows = material.parts.held[:3]
    example = {
        "window": torch.from_numpy(np.ascontiguousarray(rows.window[:, -branch.window :])),
        "device": torch.from_numpy(rows.device),
    }
    module: nn.Module = network if network.clocked else _Untold(network)
    if network.clocked:
        own = replace(rows, window=rows.window[:, -branch.window :])
        example["clock"] = torch.from_numpy(material.clock(own))
    graphs = {ONNX: to_onnx(module, example, ("observed", "expected"), wishes=WISHES)}
    if material.torchscript:
        graphs[TORCHSCRIPT] = to_torchscript(module)
    return Grown(branch, graphs, TorchGraph(module, list(example)))


# An alarm in twenty days: what the power tables are made with. A quantile would be decided by the
# one odd week of a year that every load has.
FAMILY = Family("usad", PRESETS, train, settle, Rule(BUDGET, 0.05))
FAMILIES = [FAMILY]
