"""A model bundle: the manifest's types, and the check that turns files into trust.

Pure: whoever reads the folder brings its files as bytes. No pickle is ever read.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError

__all__ = [
    "CALIBRATION",
    "GOLDEN",
    "MANIFEST",
    "ONNX",
    "SCHEMA",
    "TORCHSCRIPT",
    "Branch",
    "Bundle",
    "File",
    "Golden",
    "Manifest",
    "Provenance",
    "Signal",
    "Stage",
    "Threshold",
    "dump_manifest",
    "load_arrays",
    "open_bundle",
    "parse_manifest",
]

SCHEMA = "edge-agent.bundle/1"
MANIFEST, CALIBRATION, GOLDEN = "manifest.yaml", "calibration.npz", "golden.npz"
ONNX, TORCHSCRIPT = "onnx", "torchscript"

_NO_ARRAYS = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)

Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[\w][\w.-]*$")]


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


class Branch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One graph and the windows it looks at."""

    name: Name
    window: Count  # slots
    hop: Count = 1  # slots
    graphs: dict[str, str]  # runtime (onnx | torchscript): file
    heads: bool = False  # the graph also takes `device`


class Stage(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    omit_defaults=True,
):
    """One step of the score recipe; its learnt constants are in calibration.npz."""

    stage: Name
    with_raw: bool = False  # whiten: keep the raw residual as a track of its own
    largest: Count | None = None  # reduce: how many signals count
    minutes: Annotated[float, msgspec.Meta(gt=0)] | None = None  # smooth: time constant


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the alarm thresholds in calibration.npz came about."""

    rule: str  # quantile | mean-std
    parameter: float  # the quantile, or the number of deviations
    windows: Count  # held-out healthy windows per device


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the model comes from."""

    created: str  # ISO 8601, UTC
    command: str
    data_sha256: str
    seed: int
    commit: str = ""
    versions: dict[str, str] = {}
    metrics: dict[str, float] = {}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """manifest.yaml."""

    schema: str
    name: Name
    version: str
    family: Name
    signals: Annotated[list[Signal], msgspec.Meta(min_length=1)]
    devices: Annotated[list[str], msgspec.Meta(min_length=1)]  # in the graph's order
    period_ns: Count
    min_coverage: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    branches: Annotated[list[Branch], msgspec.Meta(min_length=1, max_length=1)]
    recipe: Annotated[list[Stage], msgspec.Meta(min_length=1)]
    threshold: Threshold
    files: dict[str, File]
    provenance: Provenance


@dataclass(frozen=True)
class Golden:
    """What the bundle must answer before it is believed; N windows in time order."""

    window: NDArray[np.float32]  # (N, W, C) in engineering units
    device: NDArray[np.int64]  # (N,)
    observed: NDArray[np.float32]  # (N, S, C) scaled
    expected: NDArray[np.float32]  # (N, S, C) scaled
    score: NDArray[np.float32]  # (N,)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are the ones the manifest names."""

    manifest: Manifest
    sha256: str  # of manifest.yaml, which holds the digest of every other file
    graphs: Mapping[str, bytes]  # file name: content
    calibration: Mapping[str, NDArray[Any]]
    golden: Golden

    @property
    def signals(self) -> list[str]:
        """Names in the model's order."""
        return [signal.name for signal in self.manifest.signals]

    @property
    def window(self) -> int:
        """Slots of the longest window that any branch looks at."""
        return max(branch.window for branch in self.manifest.branches)


def parse_manifest(text: str | bytes) -> Manifest:
    """Read a manifest.

    Raises:
        BundleError: It is not YAML, not a manifest, or of a schema this agent does not know.
    """
    try:
        manifest = msgspec.convert(yaml.safe_load(text), Manifest)
    except (yaml.YAMLError, msgspec.ValidationError, ValueError, RecursionError) as exc:
        raise BundleError(f"{MANIFEST}: {exc}") from exc
    if manifest.schema != SCHEMA:
        raise BundleError(f"{MANIFEST}: schema {manifest.schema!r}, this agent reads {SCHEMA!r}")
    if len(set(manifest.devices)) < len(manifest.devices):
        raise BundleError(f"{MANIFEST}: devices: one is there twice")
    return manifest


def dump_manifest(manifest: Manifest) -> str:
    """Render a manifest as the YAML that `parse_manifest` reads."""
    return yaml.safe_dump(
        msgspec.to_builtins(manifest), sort_keys=False, allow_unicode=True, width=100
    )


def load_arrays(name: str, content: bytes) -> dict[str, NDArray[Any]]:
    """Arrays of an .npz file; pickled ones are refused.

    Raises:
        BundleError: It is not an .npz file of plain arrays.
    """
    if not content.startswith(b"PK"):  # np.load would also take a lone array or a pickle
        raise BundleError(f"{name}: not an .npz file")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except _NO_ARRAYS as exc:
        raise BundleError(f"{name}: not a file of plain arrays: {exc}") from exc
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):  # np.load passes on what is no array, as bytes
            raise BundleError(f"{name}: not a file of plain arrays: {key}")
    return arrays


def open_bundle(files: Mapping[str, bytes]) -> Bundle:
    """Check the files of a bundle against its manifest.

    Args:
        files: Content by name, at least all that the manifest names.

    Raises:
        BundleError: A file is missing or its digest differs, an array is missing or its
            shape does not fit, or golden.npz was made for other signals. Names the file.
    """
    if MANIFEST not in files:
        raise BundleError(f"{MANIFEST}: missing")
    manifest = parse_manifest(files[MANIFEST])
    for name in sorted({CALIBRATION, GOLDEN, *_graph_files(manifest)} - manifest.files.keys()):
        raise BundleError(f"{MANIFEST}: no digest for {name}")
    for name, file in manifest.files.items():
        if name not in files:
            raise BundleError(f"{name}: missing")
        digest = hashlib.sha256(files[name]).hexdigest()
        if digest != file.sha256:
            raise BundleError(f"{name}: sha256 is {digest}, the manifest says {file.sha256}")
    calibration = load_arrays(CALIBRATION, files[CALIBRATION])
    rows = len(manifest.devices)
    for key in ("threshold", "centre", "scale", "fill"):
        want = (rows,) if key == "threshold" else (rows, len(manifest.signals))
        if key not in calibration or calibration[key].shape != want:
            raise BundleError(f"{CALIBRATION}: {key!r} must be an array of shape {want}")
        if calibration[key].dtype.kind not in "fiu" or not np.isfinite(calibration[key]).all():
            raise BundleError(f"{CALIBRATION}: {key!r} must hold finite numbers")
    if not (calibration["threshold"] > 0).all():
        raise BundleError(f"{CALIBRATION}: a threshold is not positive")
    return Bundle(
        manifest=manifest,
        sha256=hashlib.sha256(files[MANIFEST]).hexdigest(),
        graphs={name: files[name] for name in _graph_files(manifest)},
        calibration=calibration,
        golden=_golden(manifest, load_arrays(GOLDEN, files[GOLDEN])),
    )


def _graph_files(manifest: Manifest) -> list[str]:
    return [name for branch in manifest.branches for name in branch.graphs.values()]


def _golden(manifest: Manifest, arrays: Mapping[str, NDArray[Any]]) -> Golden:
    try:
        golden = Golden(*(arrays[key] for key in Golden.__dataclass_fields__))
        order = [str(name) for name in arrays["signals"]]
    except KeyError as exc:
        raise BundleError(f"{GOLDEN}: no array {exc}") from exc
    names = [signal.name for signal in manifest.signals]
    if order != names:
        raise BundleError(
            f"{GOLDEN}: made for the signals {', '.join(order)}; "
            f"the manifest's order is {', '.join(names)}"
        )
    n, window = golden.device.size, max(branch.window for branch in manifest.branches)
    if n == 0 or golden.window.shape != (n, window, len(names)) or golden.score.shape != (n,):
        raise BundleError(f"{GOLDEN}: shapes do not fit the manifest")
    return golden
