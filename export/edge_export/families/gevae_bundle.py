"""`gevae` as a family: presets, training in two steps, and from the model to its graphs."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT, Branch, Stage
from edge_export.calibration.recipes import recipe_of
from edge_export.calibration.rules import DRIFT, Rule
from edge_export.data.recordings import Windows
from edge_export.data.split import Split
from edge_export.families.family import Family, Grown, Material, Trained, UselessModelError
from edge_export.families.gevae import Config, Gevae, Scaler, divergence
from edge_export.families.gevae_dense import FAINTEST, DenseDecoder, DenseEncoder, faintest
from edge_export.families.gevae_graphs import WISHES, Ahead, Encode, Named, NamedAhead, scored
from edge_export.graphs.exporting import to_onnx, to_torchscript
from edge_export.graphs.verify import ParityError, TorchGraph
from edge_export.training.loop import Course, Step, fit

__all__ = [
    "FAMILIES",
    "PRESETS",
    "Losses",
    "check_attention",
    "grow",
    "joined",
    "latents",
    "new_model",
    "train",
    "vitality",
]

log = logging.getLogger(__name__)

PRESETS = {
    "default": Config(),
    # As published: the literal decoder, and the raw error of the whole predicted window. It
    # reconstructs worse than each signal's mean, which is no reason to refuse it here.
    "paper": Config(
        embedded=False, whole=True, epochs=8, most_unexplained=math.inf, warm_up=0, attempts=1
    ),
    "whitened": Config(with_raw=False),  # what lasts is forgotten: for levels that drift
    "mahalanobis": Config(statistic="mahalanobis"),  # for correlated signals, Gaussian noise
    "gru": Config(node_encoder="gru"),
    "small": Config(node=16, head=16, latent=16, predictor=32),  # for few signals
}
ACTIVE = 0.01  # variance of its mean above which a latent is in use (Burda et al., ICLR 2016)
CHUNK = 1024  # windows through the model at once where nothing is learnt
SAMPLED = 8192  # windows that reconstruction is judged by, at most
LEAST_STEPS = 64  # in an epoch: with fewer, five hundred windows teach a latent nothing at all
FEWER = 10.0  # by which beta is divided from one attempt to the next
LONGER = 2  # times as many epochs has every attempt but the first


class Losses(NamedTuple):
    """Held-out losses by epoch, the first before training."""

    autoencoder: list[float]
    predictor: list[float]  # none where no windows follow each other

    @property
    def curves(self) -> dict[str, list[float]]:
        """By the names that a report shows."""
        return {f"{part}, held out": losses for part, losses in self._asdict().items() if losses}


def joined(parts: Split, correlation: float) -> Tensor:
    """Source and target of every pair of signals that move together, (2, E), both ways.

    Pearson's correlation of the training time, averaged over devices; a signal that stood still
    is correlated with none.
    """
    total = np.zeros((len(parts.signals),) * 2)
    for d in range(len(parts.devices)):
        last = parts.fit.window[parts.fit.device == d, -1].astype(np.float64)
        off = last - last.mean(axis=0)
        spread = np.sqrt((off**2).sum(axis=0))
        unit = np.divide(off, spread, np.zeros_like(off), where=spread > 1e-9 * np.abs(last).max())
        total += unit.T @ unit
    close = np.abs(total / len(parts.devices)) >= correlation
    np.fill_diagonal(close, val=False)
    return torch.from_numpy(np.stack(np.nonzero(close)).astype(np.int64))


def new_model(parts: Split, config: Config) -> Gevae:
    """An untrained model with the scalers and the graph of `parts`, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        scaler = Scaler(torch.from_numpy(parts.centre), torch.from_numpy(parts.scale), config.clip)
        usual = torch.stack([_scaled_mean(parts, scaler, d) for d in range(len(parts.devices))])
        return Gevae(scaler, joined(parts, config.correlation), usual, config)


def _scaled_mean(parts: Split, scaler: Scaler, d: int) -> Tensor:
    last = torch.from_numpy(parts.fit.window[parts.fit.device == d, -1:])
    usual: Tensor = scaler(last, torch.full((len(last),), d)).mean(dim=(0, 1))
    return usual


def train(model: Gevae, parts: Split, course: Course, then: Course) -> Losses:
    """Train the autoencoder, then the predictor on its latents.

    Args:
        model: Trained in place.
        parts: What to learn from and what decides when to stop.
        course: Of the autoencoder.
        then: Of the predictor.
    """
    config = model.config
    model.to(course.device)
    least = LEAST_STEPS * config.batch
    every = max(1, min(config.every, len(parts.fit) // least))
    some = parts.fit[::every]
    passes = math.ceil(least / len(some))  # over few windows, that make an epoch
    steps = course.epochs * math.ceil(passes * len(some) / course.batch)
    window, device = (torch.from_numpy(x).to(course.device) for x in (some.window, some.device))

    def loss(rows: Tensor, step: Step) -> Tensor:
        noise = step.noise((len(rows), config.latent), config.seed).to(course.device)
        rows = rows % len(some)
        return model.loss(window[rows], device[rows], noise, step.number / steps)

    learnt = [p for name, p in model.named_parameters() if not name.startswith("predictor.")]
    learnt = [p for p in learnt if p.requires_grad]
    judged = parts.held[::every]
    losses = fit(model, passes * len(some), loss, lambda: _held_loss(model, judged), course, learnt)
    before, after = (latents(model, windows) for windows in (parts.fit, parts.held))
    predicted = _train_predictor(model, parts, before, after, then)
    model.cpu()
    return Losses(losses, predicted)


@torch.no_grad()
def latents(model: Gevae, windows: Windows) -> Tensor:
    """Mean latents of N windows, (N, latent), on the CPU."""
    where = model.scaler.centre.device
    found = []
    for window, device in _chunks(windows):
        mean, _ = model.encoder(model.scaler(window.to(where), device.to(where)))
        found.append(mean.cpu())
    return torch.cat(found)


def _train_predictor(
    model: Gevae, parts: Split, before: Tensor, after: Tensor, course: Course
) -> list[float]:
    length = model.config.latents
    learn, judge = (_runs(windows, length) for windows in (parts.fit, parts.held))
    if not len(learn) or not len(judge):
        log.info("no %d windows in a row: the last latent stands for the next", length + 1)
        return []
    before, after = before.to(course.device), after.to(course.device)
    size = before.var(dim=0).clamp_min(1e-6)

    def error(latent: Tensor, rows: Tensor) -> Tensor:
        told = model.predictor(latent[rows[:, :-1]])
        missed: Tensor = (told - latent[rows[:, -1]]) ** 2 / size
        return missed.mean()

    @torch.no_grad()
    def held_out() -> float:
        return float(error(after, judge))

    return fit(
        model.predictor,
        len(learn),
        lambda rows, _: error(before, learn[rows]),
        held_out,
        course,
    )


def _runs(windows: Windows, length: int) -> Tensor:
    """Rows of every `length` + 1 windows of a device that follow each other, (n, length + 1)."""
    step = int(np.diff(windows.slot).clip(min=1).min(initial=1 << 62))
    follows = (np.diff(windows.slot) == step) & (np.diff(windows.device) == 0)
    broken = np.concatenate([[0], np.cumsum(~follows)])
    first = np.arange(max(0, len(windows) - length))
    first = first[broken[first] == broken[first + length]]
    return torch.from_numpy(first[:, np.newaxis] + np.arange(length + 1))


@torch.no_grad()
def _held_loss(model: Gevae, held: Windows) -> float:
    """Mean loss from the mean latent; 0 windows have no loss."""
    where, total = model.scaler.centre.device, 0.0
    for window, device in _chunks(held):
        total += float(model.loss(window.to(where), device.to(where), None)) * len(device)
    return total / max(1, len(held))


def _chunks(windows: Windows) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(windows), CHUNK):
        some = windows[start : start + CHUNK]
        yield torch.from_numpy(some.window), torch.from_numpy(some.device)


@torch.no_grad()
def vitality(model: Gevae, seen: Windows) -> dict[str, float]:
    """Whether the latents say anything, which detection figures do not show.

    Returns:
        `reconstruction_unexplained`: share of the variance about each signal's mean that the
        reconstruction misses, mean over devices (1: no better than those means);
        `active_latents`; `kl_nats`.
    """
    some = seen[:: 1 + len(seen) // SAMPLED]
    errors, means, nats = [], [], []
    for window, device in _chunks(some):
        scaled = model.scaler(window, device)
        mean, log_variance = model.encoder(scaled)
        missed = (model.decoder(mean, device) - scaled) ** 2
        errors.append(missed.mean(dim=(1, 2)).double().numpy())
        means.append(mean)
        nats.append(divergence(mean, log_variance).sum(dim=1))
    missed_by, shares = np.concatenate(errors), []
    for d in np.unique(some.device):
        mine = some.device == d
        scaled = model.scaler(
            torch.from_numpy(some.window[mine]), torch.from_numpy(some.device[mine])
        )
        spread = float(scaled.var(dim=(0, 1), correction=0).mean())
        shares.append(float(missed_by[mine].mean()) / max(1e-12, spread))
    return {
        "reconstruction_unexplained": float(np.mean(shares)),
        "active_latents": float((torch.cat(means).var(dim=0) > ACTIVE).sum()),
        "kl_nats": float(torch.cat(nats).mean()),
    }


def grow(model: Gevae, branch: Branch, *, torchscript: bool) -> Grown:
    """A trained model as its two graphs."""
    eager, config = model.eval(), model.config
    decoder = scored(eager)
    encode = Encode(eager, DenseEncoder(eager.encoder))
    tell = Ahead(eager, DenseDecoder(decoder))
    nodes = model.scaler.centre.shape[1]
    example = {
        "window": torch.zeros(3, config.window, nodes),
        "device": torch.zeros(3, dtype=torch.int64),
        "state": torch.zeros(3, config.latents, config.latent),
    }
    told = {name: example[name] for name in ("state", "device")}
    graphs = {ONNX: to_onnx(encode, example, ["observed", "new_state"], wishes=WISHES)}
    ahead = {ONNX: to_onnx(tell, told, ["expected"], wishes=WISHES)}
    if torchscript:
        graphs[TORCHSCRIPT] = to_torchscript(Named(encode))
        ahead[TORCHSCRIPT] = to_torchscript(NamedAhead(tell))
    return Grown(
        branch,
        graphs,
        TorchGraph(Encode(eager, eager.encoder), list(example), ("observed", "new_state")),
        ahead,
        TorchGraph(Ahead(eager, decoder), list(told), ("expected",)),
    )


def _train(material: Material, config: Config) -> Trained:
    attempt = 0
    while True:
        model, losses = _attempt(material, config, attempt)
        found = vitality(model, material.parts.fit)
        log.info(
            "reconstruction misses %.2f of the variance; %d of %d latents are in use, %.1f nats",
            found["reconstruction_unexplained"],
            found["active_latents"],
            config.latent,
            found["kl_nats"],
        )
        useless = _useless(found, config)
        if not useless:
            break
        attempt += 1
        if attempt >= config.attempts:
            raise UselessModelError(f"gevae: {useless}; attempts: {attempt}")
        epochs = config.epochs * (LONGER if attempt == 1 else 1)
        config = replace(config, beta=config.beta / FEWER, epochs=epochs)
        log.warning("gevae: %s: trained anew with beta %g", useless, config.beta)
    check_attention(model, material.parts.held)
    branch = Branch(
        name="main",
        window=config.window,
        hop=material.slicing.hop,
        heads=True,
        state=[config.latents, config.latent],
    )
    edges = float(model.encoder.first.edges.shape[1])
    return Trained(
        branches=[grow(model, branch, torchscript=material.torchscript)],
        recipe=_recipe(material, config),
        metrics={
            "epochs": float(len(losses.autoencoder) - 1),
            "held_out_loss": min(losses.autoencoder),
            "edges": edges,
            "beta": config.beta,
            **found,
        },
        curves=losses.curves,
    )


def check_attention(model: Gevae, held: Windows) -> None:
    """Whether a gateway's graph can tell neighbours from strangers.

    Args:
        model: Trained.
        held: Real windows.

    Raises:
        ParityError: In some of them a node all but ignores every neighbour, itself as well.
    """
    some = held[:: 1 + len(held) // CHUNK]
    found = faintest(model, torch.from_numpy(some.window), torch.from_numpy(some.device))
    if found < FAINTEST:
        raise ParityError(
            f"gevae: a node's nearest neighbour has an affinity of {found:.0f}, and below "
            f"{FAINTEST:g} a gateway's graph tells neighbours from strangers no more: train with a "
            "lower learning_rate, fewer epochs or another seed"
        )


def _attempt(material: Material, config: Config, attempt: int) -> tuple[Gevae, Losses]:
    """A trained model and its held-out losses."""
    model = new_model(material.parts, config)
    course = Course(
        config.epochs,
        config.batch,
        config.learning_rate,
        config.patience,
        config.seed,
        threads=config.threads,
    )
    then = Course(config.predictor_epochs, 256, 1e-3, config.patience, config.seed)
    suffix = str(attempt) if attempt else ""
    first, second = (
        material.course(wanted, name + suffix)
        for wanted, name in ((course, "autoencoder"), (then, "predictor"))
    )
    return model, train(model, material.parts, first, second)


def _useless(found: dict[str, float], config: Config) -> str:
    """What is wrong with a model; empty where nothing is."""
    if found["active_latents"] < config.fewest_active:
        return (
            f"{found['active_latents']:g} latents are in use, at least {config.fewest_active} "
            f"are asked for: train longer, or lower beta ({config.beta:g})"
        )
    if not found["reconstruction_unexplained"] <= config.most_unexplained:
        return (
            f"the reconstruction misses {found['reconstruction_unexplained']:.2f} of the "
            f"variance, at most {config.most_unexplained:g} is allowed: train longer"
        )
    return ""


def _recipe(material: Material, config: Config) -> list[Stage]:
    if config.whole:
        return [
            Stage(stage="residual", span="whole"),
            Stage(stage="reduce", how="mean-square", pool=True),
        ]
    signals, minutes = len(material.parts.signals), material.smooth_minutes
    return recipe_of(config.statistic, signals, minutes, with_raw=config.with_raw)


# Levels of servers drift: a fixed quantile alarmed on 7 to 20 % of their later time.
FAMILIES = [Family("gevae", PRESETS, _train, rule=Rule(DRIFT))]
