"""One more device for a bundle: a head, a scaler row and a threshold.

The encoder and every other device's head, constants and threshold stay bit for bit as they
are: weights are read out of the ONNX file's initializers and one row is appended to each stack.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from edge_anomaly.errors import BundleError, RecordingError
from edge_anomaly.files.bundle import ONNX, TORCHSCRIPT, Bundle, Manifest, Provenance
from edge_anomaly.scoring import Scorer
from edge_export.bundles.package import check_place, choose_golden, read_bundle, write_bundle
from edge_export.bundles.provenance import provenance
from edge_export.bundles.train import assemble, loaded
from edge_export.calibration.calibrate import calibrate
from edge_export.calibration.references import healthy_periods, healthy_reference, longest_still
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, Slicing, Windows, signals_of
from edge_export.data.split import Split, split
from edge_export.families import lstm_ae_onnx, lstm_ae_weights
from edge_export.families.family import Trained
from edge_export.families.lstm_ae import Config, LstmAe, train
from edge_export.families.lstm_ae_bundle import grow, new_model
from edge_export.graphs.answers import Draft, answers

__all__ = ["add_device"]

log = logging.getLogger(__name__)

FEWEST = 32  # windows in a step; else as many as one device of several has in its share
SAMPLED = 100  # windows of the newcomer to verify with, beside the golden ones of the others


def add_device(
    source: Path, recordings: Sequence[Recording], config: Config, out: Path, command: str = ""
) -> Bundle:
    """Train a head for the one device of `recordings`; write a bundle that has it as well.

    Args:
        source: The bundle to build on; left as it is unless `out` is the same folder.
        recordings: Healthy time of one device that the bundle does not know.
        config: How to train; the sizes are the bundle's.
        out: Folder of the new bundle.
        command: For provenance.

    Raises:
        BundleError: `source` cannot be used, or `out` not written.
        RecordingError: The recordings do not do: other signals, several devices, a known one.
        ParityError: A graph does not answer as the model does; nothing was written.
    """
    check_place(out)
    bundle = read_bundle(source)
    manifest = bundle.manifest
    device = _newcomer(manifest, recordings)
    branch = manifest.branches[0]
    try:
        old, window = lstm_ae_onnx.weights_of(bundle.graphs[branch.graphs[ONNX]])
    except (KeyError, ValueError) as exc:
        raise BundleError(f"{source}: no graph to build on: {exc}") from exc
    slicing = Slicing(window, manifest.period_ns, branch.hop, min_coverage=manifest.min_coverage)
    parts = split(
        recordings,
        slicing,
        held_out=config.held_out,
        stride=config.stride,
        known=bundle.calibration["scale"],
    )
    log.info("%s: %d windows to learn from, %d held out", device, len(parts.fit), len(parts.held))
    alone, losses = _train_head(lstm_ae_weights.restore(old, window), parts, config)
    own = _manifest_of(manifest, device)
    scaling = {"centre": parts.centre, "scale": parts.scale, "fill": parts.fill}
    of_head = Trained([grow(alone, branch, bundle.signals, torchscript=False)], manifest.recipe)
    held_answers = answers(own, scaling, loaded(of_head), parts.held)
    constants, threshold = calibrate(own, scaling, held_answers, Rule.of(manifest.threshold))
    score = Scorer(Draft(own, constants), loaded(of_head)).judge(held_answers).score
    constants |= healthy_reference(own, parts.held, score, parts.fit)
    constants["still"] = longest_still(recordings, own.devices)
    constants |= healthy_periods(own, recordings)
    fewest = min(threshold.windows, manifest.threshold.windows)
    metrics = {"head_held_out_loss": min(losses), "head_epochs": float(len(losses) - 1)}
    held = replace(parts.held, device=np.full_like(parts.held.device, len(manifest.devices)))
    golden = _after(bundle, choose_golden(held))
    whole = lstm_ae_weights.restore(
        lstm_ae_weights.append_head(old, lstm_ae_weights.stack(alone)), window
    )
    files = assemble(
        Trained(
            [grow(whole, branch, bundle.signals, torchscript=TORCHSCRIPT in branch.graphs)],
            manifest.recipe,
        ),
        msgspec.structs.replace(
            manifest,
            version=f"{manifest.version}+{device}",
            devices=[*manifest.devices, device],
            threshold=msgspec.structs.replace(threshold, windows=fewest),
            provenance=_chained(
                manifest.provenance, provenance(recordings, command, config.seed, metrics)
            ),
        ),
        {
            name: np.concatenate([value, constants[name]])
            for name, value in bundle.calibration.items()
        },
        _after(bundle, held[:: 1 + len(held) // SAMPLED]),
        golden,
    )
    return write_bundle(out, files)


def _manifest_of(manifest: Manifest, device: str) -> Manifest:
    return msgspec.structs.replace(manifest, devices=[device])


def _newcomer(manifest: Manifest, recordings: Sequence[Recording]) -> str:
    signals = signals_of(recordings)
    wanted = tuple(signal.name for signal in manifest.signals)
    if signals != wanted:
        raise RecordingError(
            f"the recording has the signals {', '.join(signals)}; "
            f"the bundle's order is {', '.join(wanted)}"
        )
    names = {recording.device for recording in recordings}
    if len(names) > 1:
        raise RecordingError(f"one device at a time, not {', '.join(sorted(names))}")
    (name,) = names
    if name in manifest.devices:
        raise RecordingError(f"the bundle already knows {name}")
    return name


def _train_head(known: LstmAe, parts: Split, config: Config) -> tuple[LstmAe, list[float]]:
    """A model of the new device alone: the known encoder, frozen, and a head of its own."""
    sizes = known.config
    alone = new_model(
        parts,
        replace(
            config,
            window=sizes.window,
            outer=sizes.outer,
            inner=sizes.inner,
            latent=sizes.latent,
            clip=sizes.clip,
            batch=max(FEWEST, config.batch // len(known.heads)),
        ),
    )
    alone.encoder.load_state_dict(known.encoder.state_dict())
    alone.encoder.requires_grad_(requires_grad=False)
    return alone, train(alone, parts.fit, parts.held, alone.heads.parameters())


def _after(bundle: Bundle, new: Windows) -> Windows:
    """The bundle's golden windows, so that its known devices are verified too, then `new`."""
    golden = bundle.golden
    old = golden.device.size
    return Windows(
        window=np.concatenate([golden.window, new.window]),
        device=np.concatenate([golden.device, new.device]),
        slot=np.concatenate([golden.slot, new.slot]),
        coverage=np.concatenate([np.ones(old, np.float32), new.coverage]),
    )


def _chained(old: Provenance, new: Provenance) -> Provenance:
    """The newcomer's provenance; the data's digest and the metrics build on the old ones."""
    return msgspec.structs.replace(
        new,
        data_sha256=sha256(f"{old.data_sha256}{new.data_sha256}".encode()).hexdigest(),
        metrics=old.metrics | new.metrics,
    )
