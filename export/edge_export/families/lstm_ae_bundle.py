"""`lstm-ae` as a family: presets, and from training windows to its graphs."""

import torch

from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT, Branch
from edge_export.calibration.recipes import recipe_of
from edge_export.data.split import Split
from edge_export.families import lstm_ae_onnx, lstm_ae_weights
from edge_export.families.family import Family, Grown, Material, Trained
from edge_export.families.lstm_ae import Config, LstmAe, Scaler, course_of, train
from edge_export.families.lstm_ae_torchscript import to_torchscript
from edge_export.graphs.verify import TorchGraph

__all__ = ["FAMILIES", "FAMILY", "PRESETS", "grow", "new_model"]

PRESETS = {
    "default": Config(),  # the compressor-aware autoencoder's sizes
    "published": Config(),  # the same, by its older name
    "paper": Config(),
    "small": Config(outer=32, inner=16, latent=8),  # a quarter of the size, for few signals
    "whitened": Config(with_raw=False),  # what lasts is forgotten: for levels that drift
    "mahalanobis": Config(statistic="mahalanobis"),  # for correlated signals, Gaussian noise
    "compressors": Config(outer=24, inner=16, stride=6, learning_rate=1e-2),  # ten coupled signals
}


def new_model(parts: Split, config: Config) -> LstmAe:
    """An untrained model with the scalers of `parts`, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        scaler = Scaler(torch.from_numpy(parts.centre), torch.from_numpy(parts.scale), config.clip)
        return LstmAe(scaler, config)


def grow(model: LstmAe, branch: Branch, signals: list[str], *, torchscript: bool) -> Grown:
    """A trained model as graphs of `branch`, which has heads."""
    graphs = {ONNX: lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, signals)}
    if torchscript:
        graphs[TORCHSCRIPT] = to_torchscript(model)
    return Grown(branch, graphs, TorchGraph(model))


def _train(material: Material, config: Config) -> Trained:
    parts = material.parts
    model = new_model(parts, config)
    losses = train(model, parts.fit, parts.held, course=material.course(course_of(config)))
    branch = Branch(name="main", window=config.window, hop=material.slicing.hop, heads=True)
    return Trained(
        branches=[grow(model, branch, list(parts.signals), torchscript=material.torchscript)],
        recipe=recipe_of(
            config.statistic, len(parts.signals), material.smooth_minutes, with_raw=config.with_raw
        ),
        metrics={"epochs": float(len(losses) - 1), "held_out_loss": min(losses)},
        curves={"held out": losses},
    )


FAMILY = Family("lstm-ae", PRESETS, _train)
FAMILIES = [FAMILY]
