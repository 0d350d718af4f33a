"""manifest.yaml of a bundle, as types, and the rules that no type can state.

A model is one or more *branches*: each looks at its own window, runs its own graph (or none)
and puts the residuals through its own recipe. Their tracks, side by side, then go through the
recipe of the whole.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import yaml

from edge_anomaly.errors import BundleError

__all__ = [
    "MANIFEST",
    "ONNX",
    "ONNX_INT8",
    "RULES",
    "RUNTIMES",
    "SCHEMA",
    "TORCHSCRIPT",
    "Branch",
    "File",
    "Manifest",
    "Provenance",
    "Signal",
    "Stage",
    "Threshold",
    "dump_manifest",
    "parse_manifest",
]

SCHEMA = "edge-agent.bundle/1"
MANIFEST = "manifest.yaml"
ONNX, ONNX_INT8, TORCHSCRIPT = "onnx", "onnx-int8", "torchscript"
RUNTIMES = (ONNX, ONNX_INT8, TORCHSCRIPT)
RULES = ("quantile", "mean-std", "budget", "tail", "hour-of-week", "drift")

Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\w][\w.-]*$")]
Above0 = Annotated[float, msgspec.Meta(gt=0)]


class Signal(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """One input of the model, in the model's order."""

    name: str
    unit: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file of the bundle must be."""

    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Stage(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """One step of a score recipe; its learnt constants are in calibration.npz."""

    stage: Name
    span: Literal["last", "tail", "whole"] = "last"  # residual: which steps of the window count
    steps: Count | None = None  # residual: how many make a tail
    with_raw: bool = False  # whiten: keep the raw residual as a track of its own
    how: str | None = None  # reduce: largest | mean-square | mahalanobis | groups;
    # combine: log1p | geometric | votes. None: the first of each
    largest: Count | None = None  # reduce: how many signals count; lines: how many lines
    pool: bool = False  # reduce: all tracks are steps of one window, and become one
    groups: list[list[str]] | None = None  # reduce: names of the signals of each group
    minutes: Above0 | None = None  # smooth, blame: time constant
    spans: list[Count] | None = None  # features: slots of each span
    radius: Count | None = None  # features, elastic: slots by which matching may shift
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None  # elastic: weight of DTW
    trees: Count | None = None  # forest: how many of each
    scaled: bool = False  # combine: divide each track by its healthy level first
    votes: Count | None = None  # combine: tracks that must agree
    segment: Count | None = None  # spectrum: samples of one of Welch's windows
    step: Count | None = None  # spectrum: samples from one of them to the next
    band: tuple[float, float] | None = None  # spectrum: what the envelope is of, Hz


class Branch(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """The windows that one graph looks at, and what becomes of its residuals.

    Without a graph `observed` is the window in scaled units and nothing is expected of it
    until a stage says so.
    """

    name: Name
    window: Count  # slots
    hop: Count = 1  # slots, the same for all branches
    graphs: dict[str, str] = {}  # file by runtime
    heads: bool = False  # the graph also takes `device`
    state: list[Count] | None = (
        None  # shape of what the graph takes as `state` and gives as `new_state`, a device
    )
    ahead: dict[str, str] = {}  # graphs that tell from `state` what to expect next
    recipe: list[Stage] = []


class Threshold(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """How the alarm thresholds in calibration.npz came about."""

    rule: Literal["quantile", "mean-std", "budget", "tail", "hour-of-week", "drift"]
    # The quantile (quantile, hour-of-week, drift), the number of deviations (mean-std), alarms
    # a day (budget), the risk of a window (tail).
    parameter: float
    windows: Count  # held-out healthy windows per device
    factor: Above0 | None = None  # drift: the threshold is never below factor x rolling median
    minutes: Above0 | None = None  # drift: how far back the median looks


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the model comes from."""

    created: str  # ISO 8601, UTC
    command: str
    data_sha256: str
    seed: int
    commit: str = ""
    versions: dict[str, str] = {}
    metrics: dict[str, float] = {}


class Manifest(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """manifest.yaml."""

    schema: str
    name: Name
    version: str
    family: Annotated[str, msgspec.Meta(pattern=r"^[\w][\w.+-]*$")]  # gevae+pca: an ensemble
    signals: Annotated[list[Signal], msgspec.Meta(min_length=1)]
    devices: Annotated[list[str], msgspec.Meta(min_length=1)]  # in the graph's order
    period_ns: Count
    min_coverage: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    # Local time minus UTC, for what goes by the hour; no daylight saving.
    utc_offset_minutes: Annotated[int, msgspec.Meta(ge=-1440, le=1440)] = 0
    branches: Annotated[list[Branch], msgspec.Meta(min_length=1)]
    recipe: list[Stage] = []  # of the branches' tracks side by side
    threshold: Threshold
    files: dict[str, File]
    provenance: Provenance


def parse_manifest(text: str | bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: It is not YAML, not a manifest, of a schema this agent does not know, or
            contradicts itself.
    """
    try:
        manifest = msgspec.convert(yaml.safe_load(text), Manifest)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as exc:
        raise BundleError(f"{MANIFEST}: {exc}") from exc
    if manifest.schema != SCHEMA:
        raise BundleError(f"{MANIFEST}: schema {manifest.schema!r}, this agent reads {SCHEMA!r}")
    for complaint in _contradictions(manifest):
        raise BundleError(f"{MANIFEST}: {complaint}")
    return manifest


def dump_manifest(manifest: Manifest) -> str:
    """Render a manifest as the YAML that `parse_manifest` reads."""
    return yaml.safe_dump(
        msgspec.to_builtins(manifest), sort_keys=False, allow_unicode=True, width=100
    )


def _contradictions(manifest: Manifest) -> Iterator[str]:
    names = {
        "devices": manifest.devices,
        "signals": [signal.name for signal in manifest.signals],
        "branches": [branch.name for branch in manifest.branches],
    }
    for key, values in names.items():
        if len(set(values)) < len(values):
            yield f"{key}: one is there twice"
    if len({branch.hop for branch in manifest.branches}) > 1:
        yield "branches: all must have one hop"
    if not manifest.recipe and not all(branch.recipe for branch in manifest.branches):
        yield "recipe: there is none"
    for branch in manifest.branches:
        for complaint in _of_branch(branch):
            yield f"branches: {branch.name}: {complaint}"
    rule = manifest.threshold
    if (rule.rule == "drift") != (rule.factor is not None and rule.minutes is not None):
        yield "threshold: `factor` and `minutes` belong to the rule drift, which needs both"


def _of_branch(branch: Branch) -> Iterator[str]:
    if branch.ahead and branch.state is None:
        yield "a graph that runs ahead needs a `state` to run from"
    if not branch.graphs and (branch.heads or branch.state is not None):
        yield "`heads` and `state` are of a graph, and there is none"
    for runtime in [*branch.graphs, *branch.ahead]:
        if runtime not in RUNTIMES:
            yield f"no runtime {runtime!r}; there are {', '.join(RUNTIMES)}"
    files = [*branch.graphs.values(), *branch.ahead.values()]
    if len(set(files)) < len(files):
        yield "one file stands for two graphs"
