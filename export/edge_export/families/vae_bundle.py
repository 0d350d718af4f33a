"""`vae` as a family: presets, and from blocks of samples to its graphs."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_anomaly.files.bundle import ONNX, ONNX_INT8, TORCHSCRIPT, Branch, Stage
from edge_export.data.recordings import Windows
from edge_export.families.family import Family, Grown, Material, Trained, UselessModelError
from edge_export.families.projection import Projection, project
from edge_export.families.vae import Config, Losses, Shown, Vae, train
from edge_export.graphs.exporting import to_onnx, to_torchscript
from edge_export.graphs.quantise import quantised
from edge_export.graphs.verify import TorchGraph
from edge_export.training.loop import Course
from edge_kernels import spectra

__all__ = [
    "FAMILIES",
    "FAMILY",
    "PRESETS",
    "course_of",
    "graph",
    "new_model",
    "recipe",
    "scalers",
    "show",
]

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]

OUTPUTS = ("observed", "expected", "latent")  # the last for pictures; the agent passes it over
SECOND_NS = 1e9
LEAST = 1e-2  # deviation of a line, or of a waveform's samples, below which it stood still

PRESETS = {
    "default": Config(),
    # As published: waveforms, beta 1 against the mean, the mean error. It collapses; the KL
    # in the bundle's metrics says so.
    "paper": Config(
        spectral=False, summed=False, strongest=0, fewest_nats=0.0, batch=64, epochs=20
    ),
    "components": Config(expects="components"),
    "mean": Config(expects="mean"),
    "small": Config(layers=(64, 32), latent=8),  # an eighth of the size, as quick on a gateway
}


def recipe(config: Config, rate: float) -> tuple[list[Stage], list[Stage]]:
    """Stages of the branch, and of the whole.

    Args:
        config: Of the model.
        rate: Samples a second.
    """
    before = []
    if config.spectral:
        low, high = (round(share * rate / 2, 3) for share in config.band)
        before = [
            Stage(stage="spectrum", segment=config.segment, step=config.step, band=(low, high))
        ]
    if not config.strongest:
        return before, [
            Stage(stage="residual", span="whole"),
            Stage(stage="reduce", how="mean-square", pool=True),
        ]
    return before, [
        Stage(stage="residual", span="whole"),
        Stage(stage="lines", largest=config.strongest),
        Stage(stage="reduce", largest=1),  # the worst bearing
        Stage(stage="combine", how="votes", votes=1),  # by the worse of both ways to judge it
    ]


def show(windows: Windows, config: Config, rate: float) -> Shown:
    """What the network is to see of windows, made by the agent's own kernel."""
    block = windows.window
    if config.spectral:
        low, high = (share * rate / 2 for share in config.band)
        block = spectra(
            block, rate=rate, band=(low, high), segment=config.segment, step=config.step
        )
    return Shown(block, windows.device)


def scalers(shown: Shown, devices: int, config: Config) -> tuple[Tensor, Tensor]:
    """Each device's centre and scale, (D, F or 1, C): of each line, or of a waveform's samples."""
    axes = 0 if config.spectral else (0, 1)
    centre, scale = [], []
    for d in range(devices):
        mine = shown.features[shown.device == d].astype(np.float64)
        shape = (-1, mine.shape[2])
        centre.append(mine.mean(axis=axes).reshape(shape))
        scale.append(np.maximum(mine.std(axis=axes), LEAST).reshape(shape))
    return torch.from_numpy(np.stack(centre)).float(), torch.from_numpy(np.stack(scale)).float()


def new_model(shown: Shown, devices: int, config: Config) -> Vae:
    """An untrained model with the scalers of `shown`, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Vae(*scalers(shown, devices, config), config)


def graph(model: Vae | Projection) -> bytes:
    """`window` (B, F, C) and `device` (B,) -> `observed`, `expected` and `latent`."""
    _, lines, channels = model.shape
    example = {
        "window": torch.zeros(3, lines, channels),
        "device": torch.zeros(3, dtype=torch.int64),
    }
    return to_onnx(model, example, OUTPUTS)


class _Answers(nn.Module):
    """The model without its latent, which no gateway asks for."""

    def __init__(self, model: Vae | Projection) -> None:
        super().__init__()
        self.model = model

    def forward(self, window: Tensor, device: Tensor) -> tuple[Tensor, Tensor]:
        observed, expected, _ = self.model(window, device)
        return observed, expected


def _train(material: Material, config: Config) -> Trained:
    rate = SECOND_NS / material.slicing.period_ns
    parts = material.parts
    fit, held = show(parts.fit, config, rate), show(parts.held, config, rate)
    model, metrics, curves = _model(fit, held, config, material)
    before, whole = recipe(config, rate)
    branch = Branch(
        name="main",
        window=config.window,
        hop=material.slicing.hop,
        heads=True,  # a scaler a device
        recipe=before,
    )
    graphs = {ONNX: graph(model)}
    if config.expects == "network":
        small = quantised(graphs[ONNX])
        if small is not None:
            graphs[ONNX_INT8] = small
    if material.torchscript:
        graphs[TORCHSCRIPT] = to_torchscript(_Answers(model))
    return Trained(
        [Grown(branch, graphs, TorchGraph(_Answers(model)))], whole, metrics=metrics, curves=curves
    )


def _model(
    fit: Shown, held: Shown, config: Config, material: Material
) -> tuple[Vae | Projection, dict[str, float], dict[str, list[float]]]:
    """What expects, and what there is to say of how it came about: figures and curves."""
    devices = len(material.parts.devices)
    if config.expects != "network":
        directions = config.latent if config.expects == "components" else 0
        return project(fit, *scalers(fit, devices, config), directions), {}, {}
    model = new_model(fit, devices, config)
    losses = train(model, fit, held, material.course(course_of(config)))
    _refuse_collapsed(losses, config)
    metrics = {
        "epochs": float(len(losses.total) - 1),
        "best_epoch": float(losses.best),
        "held_out_error": losses.error,
        "held_out_nats": losses.nats,
    }
    return model, metrics, {"held out": losses.total}


def course_of(config: Config) -> Course:
    """How the config wants the network trained."""
    return Course(
        epochs=config.epochs,
        batch=config.batch,
        learning_rate=config.learning_rate,
        patience=config.patience,
        seed=config.seed,
        threads=config.threads,
    )


def _refuse_collapsed(losses: Losses, config: Config) -> None:
    log.info("the latent says %.2f nats of a window", losses.nats)
    if losses.nats < config.fewest_nats:
        raise UselessModelError(
            f"vae: the latent says {losses.nats:.2f} nats of a window, at least "
            f"{config.fewest_nats:g} are needed: it has collapsed, and what it expects does not "
            "depend on what it sees"
        )


FAMILY = Family("vae", PRESETS, _train)
FAMILIES = [FAMILY]
