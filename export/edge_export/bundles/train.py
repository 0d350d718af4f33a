"""From recordings to a verified bundle, for any family."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from edge_anomaly.files.bundle import (
    ONNX,
    ONNX_INT8,
    SCHEMA,
    Branch,
    Bundle,
    Manifest,
    Provenance,
    Signal,
    Stage,
    dump_manifest,
    parse_manifest,
)
from edge_anomaly.ports import Graph, Model
from edge_anomaly.scoring import Batch, Scorer
from edge_export.bundles.package import (
    check_place,
    choose_golden,
    curves_file,
    pack,
    record_golden,
    write_bundle,
)
from edge_export.bundles.provenance import HELD_OUT, provenance
from edge_export.calibration.calibrate import calibrate
from edge_export.calibration.references import healthy_periods, healthy_reference, longest_still
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, Slicing, Windows, digest, period_of
from edge_export.data.split import Split, split
from edge_export.families import find
from edge_export.families.family import Family, Grown, Material, Trained
from edge_export.graphs.answers import Draft, answers, feed, unexplained, with_state
from edge_export.graphs.quantise import LARGEST_DRIFT, drift
from edge_export.graphs.verify import load, verify
from edge_export.training.place import require

__all__ = ["Plan", "assemble", "loaded", "named", "train_bundle"]

log = logging.getLogger(__name__)

SAMPLED = 300  # windows that graphs are verified with, at most


@dataclass(frozen=True)
class Plan:
    """What the bundle is to be, beside the weights."""

    name: str
    version: str = "1"
    period_ns: int | None = None  # length of a slot; None: the usual time between rows
    hop: int | None = None  # slots from window to window on the gateway; None: the family's own
    min_coverage: float = 0.8  # windows below it are not scored
    smooth_minutes: float = 12.0  # time constant of the score's averages
    rule: Rule | None = None  # how thresholds come about; None: as the family has it
    units: Mapping[str, str] = field(default_factory=dict)  # of the signals, for people
    utc_offset_minutes: int = 0  # local time minus UTC, for what goes by the hour
    torchscript: bool = True  # also for gateways that run torch, where the family can
    float32: bool = True  # False: leave the graph of float32 out where there is one of 8 bits
    device: str = "cpu"  # where to train: cpu or cuda
    resumable: bool = False  # keep a checkpoint beside the bundle, and go on from it
    command: str = ""  # that made it, for provenance

    def __post_init__(self) -> None:
        require(self.device)


def train_bundle(
    family: str | Family,
    recordings: Sequence[Recording],
    config: Any,  # noqa: ANN401 - a `Settings`, of the family's own type
    out: Path,
    plan: Plan,
) -> Bundle:
    """Train, calibrate, export, verify and write.

    Args:
        family: What kind of model; `a+b` for an ensemble.
        recordings: Healthy time of every device, in time order; labels are not looked at.
        config: Of the model and its training: one of the family's presets, or made from one.
        out: The bundle's folder; an older bundle there is replaced.
        plan: The rest.

    Raises:
        RecordingError: The recordings do not do; nothing was written.
        UselessModelError: The model learnt nothing of use; nothing was written.
        ParityError: A graph does not answer as the trained model; nothing was written.
        BundleError: `out` is no place for a bundle, or a name in the plan is none.
        ConfigError: There is no such family.
    """
    check_place(out)
    family = find(family) if isinstance(family, str) else family
    period_ns = plan.period_ns or period_of(recordings)
    config = family.settle(recordings, config, period_ns)
    own: int = getattr(config, "hop", 1)
    hop = own if plan.hop is None else plan.hop
    slicing = Slicing(config.window, period_ns, hop, min_coverage=plan.min_coverage)
    parts = split(recordings, slicing, held_out=config.held_out, stride=config.stride)
    rule = plan.rule or family.rule
    draft = _draft(family.name, parts, slicing, plan, rule)
    sizes = (len(parts.devices), len(parts.signals), len(parts.fit), len(parts.held))
    log.info("%d devices, %d signals; windows: %d to learn from, %d held out", *sizes)
    started = time.perf_counter()
    trained = family.train(
        Material(
            recordings,
            parts,
            slicing,
            utc_offset_minutes=plan.utc_offset_minutes,
            smooth_minutes=plan.smooth_minutes,
            torchscript=plan.torchscript,
            device=plan.device,
            checkpoint=out.with_name(f".{out.name}.training") if plan.resumable else None,
            purpose=f"{family.name} {config!r} {digest(recordings)} {slicing!r}",
        ),
        config,
    )
    log.info("%s trained in %.1f s", family.name, time.perf_counter() - started)
    draft = replace(draft, branches=named(family.name, trained), recipe=list(trained.recipe))
    scaling = {"centre": parts.centre, "scale": parts.scale, "fill": parts.fill}
    model = loaded(trained)
    given = {**scaling, **trained.constants}
    held = answers(draft, given, model, parts.held)

    def learnt() -> list[Batch]:
        return answers(draft, given, model, parts.fit)

    constants, threshold = calibrate(draft, given, held, rule, learnt)
    score = Scorer(Draft(draft, constants), model).judge(held).score
    constants |= healthy_reference(draft, parts.held, score, parts.fit)
    constants["still"] = longest_still(recordings, parts.devices)
    constants |= healthy_periods(draft, recordings)
    missed = {
        f"{branch.name}.unexplained" if len(held) > 1 else "unexplained": unexplained(batch)
        for branch, batch in zip(draft.branches, held, strict=True)
        if branch.graphs
    }
    metrics = {HELD_OUT: float(config.held_out), **trained.metrics, **missed}
    said = provenance(recordings, plan.command, config.seed, metrics)
    files = assemble(
        trained,
        replace(draft, threshold=threshold, provenance=said),
        constants,
        parts.held,
        choose_golden(parts.held),
        float32=plan.float32,
    )
    bundle = write_bundle(out, files)
    for checkpoint in out.parent.glob(f".{out.name}.training.*"):
        checkpoint.unlink()
    return bundle


def assemble(
    trained: Trained,
    manifest: Manifest,
    constants: Mapping[str, NDArray[Any]],
    held: Windows,
    golden: Windows,
    *,
    float32: bool = True,
) -> dict[str, bytes]:
    """The bundle's files, after every graph has answered as the trained model does.

    A graph of 8 bits by which the score drifts too far is left out.

    Args:
        trained: The graphs.
        manifest: Complete but for digests and parity.
        constants: Arrays of calibration.npz.
        held: Real windows of every device, to verify with.
        golden: Those whose answers the bundle is to repeat wherever it is loaded.
        float32: Whether a graph of float32 goes in where there is one of 8 bits.

    Raises:
        ParityError: A graph does not.
    """
    rows = np.unique(np.linspace(0, len(held) - 1, SAMPLED).astype(np.intp))
    sample = held[rows]
    parity: dict[str, float] = {}
    files: dict[str, bytes] = {}
    for branch, grown in zip(manifest.branches, trained.branches, strict=True):
        shown = feed(manifest, branch, sample, grown.reference)
        for reference, graphs, names, seen in (
            (grown.reference, grown.graphs, branch.graphs, shown),
            (grown.ahead_reference, grown.ahead, branch.ahead, with_state(shown)),
        ):
            files |= {names[runtime]: content for runtime, content in graphs.items()}
            if reference is None:
                continue
            exact = {key: content for key, content in graphs.items() if key != ONNX_INT8}
            for runtime, error in verify(reference, exact, seen).items():
                key = f"parity_{runtime}"
                parity[key] = max(error, parity.get(key, 0.0))
    model = loaded(trained)
    rounded = any(ONNX_INT8 in grown.graphs for grown in trained.branches)
    if rounded:
        spec = Draft(manifest, constants)
        parity["drift_int8"] = drift(spec, model, loaded(trained, ONNX_INT8), sample)
        kept = parity["drift_int8"] <= LARGEST_DRIFT
        log.info(
            "8 bits move the score by %.2g at most (allowed %g): %s",
            parity["drift_int8"],
            LARGEST_DRIFT,
            "kept" if kept else "left out",
        )
        manifest = _without(manifest, ONNX_INT8, kept=kept, float32=float32)
    said = manifest.provenance
    manifest = replace(manifest, provenance=replace(said, metrics=said.metrics | parity))
    answered = record_golden(Draft(manifest, constants), model, golden)
    named_files = {f for b in manifest.branches for f in (*b.graphs.values(), *b.ahead.values())}
    graphs = {f: files[f] for f in files if f in named_files}
    return pack(manifest, graphs | curves_file(trained.curves), constants, answered)


def loaded(trained: Trained, runtime: str = ONNX) -> Model:
    """The graphs as ONNX Runtime runs them; those of float32 where there is none of 8 bits."""

    def chosen(graphs: Mapping[str, bytes]) -> Graph:
        return load(ONNX, graphs.get(runtime, graphs[ONNX]))

    return Model(
        {g.branch.name: chosen(g.graphs) for g in trained.branches if g.graphs},
        {g.branch.name: chosen(g.ahead) for g in trained.branches if g.ahead},
    )


def _without(manifest: Manifest, runtime: str, *, kept: bool, float32: bool) -> Manifest:
    """Leave out what does not ship: 8 bits that drift, or float32 beside those that do not."""

    def graphs(branch: Branch) -> dict[str, str]:
        if runtime not in branch.graphs:
            return dict(branch.graphs)
        gone = ({ONNX} if not float32 else set()) if kept else {runtime}
        return {name: file for name, file in branch.graphs.items() if name not in gone}

    return replace(manifest, branches=[replace(b, graphs=graphs(b)) for b in manifest.branches])


def named(family: str, trained: Trained) -> list[Branch]:
    """The branches with the names of their files: the family's where there is but one."""
    one = len(trained.branches) == 1
    suffix: Callable[[str], str] = lambda runtime: {  # noqa: E731 - a table
        "onnx": ".onnx",
        "onnx-int8": ".int8.onnx",
        "torchscript": ".pt",
    }[runtime]

    def of(grown: Grown) -> Branch:
        stem = family if one else grown.branch.name
        return replace(
            grown.branch,
            graphs={runtime: stem + suffix(runtime) for runtime in grown.graphs},
            ahead={runtime: f"{stem}.ahead{suffix(runtime)}" for runtime in grown.ahead},
        )

    return [of(grown) for grown in trained.branches]


def _draft(family: str, parts: Split, slicing: Slicing, plan: Plan, rule: Rule) -> Manifest:
    """The manifest as far as it is known before training, refused before it costs minutes."""
    draft = Manifest(
        schema=SCHEMA,
        name=plan.name,
        version=plan.version,
        family=family,
        signals=[Signal(name=name, unit=plan.units.get(name, "")) for name in parts.signals],
        devices=list(parts.devices),
        period_ns=slicing.period_ns,
        min_coverage=slicing.min_coverage,
        utc_offset_minutes=plan.utc_offset_minutes,
        branches=[Branch(name="main", window=slicing.window, hop=slicing.hop)],
        recipe=[Stage(stage="residual")],
        threshold=rule.said(1),
        files={},
        provenance=Provenance(created="", command="", data_sha256="", seed=0),
    )
    return parse_manifest(dump_manifest(draft))
