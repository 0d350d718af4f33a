"""From recordings to a verified bundle of the family `lstm-ae`."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from edge_anomaly.bundle import (
    ONNX,
    SCHEMA,
    TORCHSCRIPT,
    Branch,
    Bundle,
    Manifest,
    Provenance,
    Signal,
    Threshold,
    dump_manifest,
    parse_manifest,
)
from edge_anomaly.ports import Model
from edge_export import to_onnx, weights
from edge_export.calibrate import Rule, calibrate, default_recipe
from edge_export.families.lstm_ae import Config, LstmAe, Scaler, train
from edge_export.package import check_place, choose_golden, pack, record_golden, write_bundle
from edge_export.provenance import provenance
from edge_export.recordings import Recording, Slicing, Windows, period_of
from edge_export.split import Split, split
from edge_export.to_torchscript import to_torchscript
from edge_export.verify import OnnxModel, TorchModel, verify

__all__ = [
    "FILES",
    "Plan",
    "answers",
    "assemble",
    "new_model",
    "train_bundle",
    "unexplained",
]

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]

FILES = {ONNX: "lstm-ae.onnx", TORCHSCRIPT: "lstm-ae.pt"}


@dataclass(frozen=True)
class Plan:
    """What the bundle is to be, beside the weights."""

    name: str
    version: str = "1"
    period_ns: int | None = None  # length of a slot; None: the usual time between rows
    hop: int = 1  # slots from window to window on the gateway
    min_coverage: float = 0.8  # windows below it are not scored
    smooth_minutes: float = 12.0  # time constant of the score's averages
    rule: Rule = field(default_factory=Rule)
    units: Mapping[str, str] = field(default_factory=dict)  # of the signals, for people
    torchscript: bool = True  # also for gateways that run torch
    command: str = ""  # that made it, for provenance


def train_bundle(recordings: Sequence[Recording], config: Config, out: Path, plan: Plan) -> Bundle:
    """Train, calibrate, export, verify and write.

    Args:
        recordings: Healthy time of every device, in time order; labels are not looked at.
        config: Of the model and its training.
        out: The bundle's folder; an older bundle there is replaced.
        plan: The rest.

    Raises:
        RecordingError: The recordings do not do; nothing was written.
        ParityError: A graph does not answer as the trained model; nothing was written.
        BundleError: `out` is no place for a bundle, or a name in the plan is none.
    """
    check_place(out)
    period_ns = plan.period_ns or period_of(recordings)
    slicing = Slicing(config.window, period_ns, plan.hop, min_coverage=plan.min_coverage)
    parts = split(recordings, slicing, held_out=config.held_out, stride=config.stride)
    draft = _draft(parts, slicing, plan)
    sizes = (len(parts.devices), len(parts.signals), len(parts.fit), len(parts.held))
    log.info("%d devices, %d signals; windows: %d to learn from, %d held out", *sizes)
    started = time.perf_counter()
    model = new_model(parts, config)
    losses = train(model, parts.fit, parts.held)
    log.info("%d epochs in %.0f s", len(losses) - 1, time.perf_counter() - started)
    observed, expected = answers(TorchModel(model), parts.held)
    constants, threshold = calibrate(draft, observed - expected, parts.held.device, plan.rule)
    metrics = {
        "epochs": float(len(losses) - 1),
        "held_out_loss": min(losses),
        "unexplained": unexplained(observed, expected, parts.held.device),
    }
    files = assemble(
        model,
        replace(
            draft,
            threshold=threshold,
            provenance=provenance(recordings, plan.command, config.seed, metrics),
        ),
        constants | {"centre": parts.centre, "scale": parts.scale, "fill": parts.fill},
        parts.held,
        choose_golden(parts.held),
        torchscript=plan.torchscript,
    )
    return write_bundle(out, files)


def _draft(parts: Split, slicing: Slicing, plan: Plan) -> Manifest:
    """The manifest as far as it is known before training, refused before it costs minutes."""
    draft = Manifest(
        schema=SCHEMA,
        name=plan.name,
        version=plan.version,
        family="lstm-ae",
        signals=[Signal(name=name, unit=plan.units.get(name, "")) for name in parts.signals],
        devices=list(parts.devices),
        period_ns=slicing.period_ns,
        min_coverage=slicing.min_coverage,
        branches=[
            Branch(name="main", window=slicing.window, hop=slicing.hop, graphs={}, heads=True)
        ],
        recipe=default_recipe(len(parts.signals), minutes=plan.smooth_minutes),
        threshold=Threshold(rule=plan.rule.name, parameter=plan.rule.parameter, windows=1),
        files={},
        provenance=Provenance(created="", command="", data_sha256="", seed=0),
    )
    return parse_manifest(dump_manifest(draft))


def new_model(parts: Split, config: Config) -> LstmAe:
    """An untrained model with the scalers of `parts`, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        scaler = Scaler(torch.from_numpy(parts.centre), torch.from_numpy(parts.scale), config.clip)
        return LstmAe(scaler, config)


def assemble(
    model: LstmAe,
    manifest: Manifest,
    constants: Mapping[str, NDArray[Any]],
    held: Windows,
    golden: Windows,
    *,
    torchscript: bool,
) -> dict[str, bytes]:
    """The bundle's files, after every graph has answered as the torch model does.

    Args:
        model: Trained.
        manifest: Complete but for graphs, digests and parity.
        constants: Arrays of calibration.npz.
        held: Real windows of every device, to verify with.
        golden: Those whose answers the bundle is to repeat wherever it is loaded.
        torchscript: Whether to add the TorchScript file.

    Raises:
        ParityError: A graph does not.
    """
    names = [signal.name for signal in manifest.signals]
    graphs = {ONNX: to_onnx.build(weights.stack(model), model.config.window, names)}
    if torchscript:
        graphs[TORCHSCRIPT] = to_torchscript(model)
    parity = verify(TorchModel(model), graphs, held)
    said = manifest.provenance
    manifest = replace(
        manifest,
        branches=[replace(manifest.branches[0], graphs={key: FILES[key] for key in graphs})],
        provenance=replace(said, metrics=said.metrics | parity),
    )
    runtime = OnnxModel.from_bytes(graphs[ONNX])
    answered = record_golden(manifest, constants, runtime, golden)
    return pack(
        manifest, {FILES[key]: content for key, content in graphs.items()}, constants, answered
    )


def answers(model: Model, windows: Windows, batch: int = 512) -> tuple[Floats, Floats]:
    """Observed and expected of all windows, (N, S, C), a batch at a time."""
    runs = [
        model.run(windows.window[start : start + batch], windows.device[start : start + batch])
        for start in range(0, len(windows), batch)
    ]
    observed, expected = (np.concatenate(parts) for parts in zip(*runs, strict=True))
    return observed, expected


def unexplained(observed: Floats, expected: Floats, device: NDArray[np.int64]) -> float:
    """Share of the variance that the model misses, mean over devices; 1: no better than a mean.

    A collapsed model shows here and not in detection figures.
    """
    shares = []
    for d in np.unique(device):
        mine, missed = observed[device == d], (observed - expected)[device == d]
        variance = mine.var(axis=0).mean()
        shares.append(float((missed**2).mean() / max(1e-12, float(variance))))
    return float(np.mean(shares))
