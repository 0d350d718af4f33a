"""A model bundle: the check that turns files into trust.

Pure: whoever reads the folder brings its files as bytes. No pickle is ever read.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.manifest import (
    MANIFEST,
    ONNX,
    ONNX_INT8,
    SCHEMA,
    TORCHSCRIPT,
    Branch,
    File,
    Manifest,
    Provenance,
    Signal,
    Stage,
    Threshold,
    dump_manifest,
    parse_manifest,
)

__all__ = [
    "CALIBRATION",
    "GOLDEN",
    "MANIFEST",
    "ONNX",
    "ONNX_INT8",
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

CALIBRATION, GOLDEN = "calibration.npz", "golden.npz"

_NO_ARRAYS = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Golden:
    """What the bundle must answer before it is believed: a short run of a few devices.

    N windows in time order within each device, from a fresh start, so that whatever remembers
    (a graph's state, a running average, a rolling median) is asked too.
    """

    window: NDArray[np.float32]  # (N, W, C) in engineering units
    device: NDArray[np.int64]  # (N,)
    slot: NDArray[np.int64]  # (N,) newest slot of each window, in periods since the epoch
    observed: Mapping[str, NDArray[np.float32]]  # by branch: (N, S, C) scaled
    expected: Mapping[str, NDArray[np.float32]]  # by branch: (N, S, C) scaled
    score: NDArray[np.float32]  # (N,)
    threshold: NDArray[np.float32]  # (N,)


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
        golden=_golden(manifest, load_arrays(GOLDEN, files[GOLDEN]), calibration["threshold"]),
    )


def _graph_files(manifest: Manifest) -> list[str]:
    return [
        name
        for branch in manifest.branches
        for name in (*branch.graphs.values(), *branch.ahead.values())
    ]


def _golden(manifest: Manifest, arrays: Mapping[str, NDArray[Any]], fixed: NDArray[Any]) -> Golden:
    """The golden run; files from before 0.2 lack what one branch and fixed thresholds imply."""
    names = [signal.name for signal in manifest.signals]
    branches = [branch.name for branch in manifest.branches]
    try:
        order = [str(name) for name in arrays["signals"]]
        window, device = arrays["window"], arrays["device"]
        if order != names:
            raise BundleError(
                f"{GOLDEN}: made for the signals {', '.join(order)}; "
                f"the manifest's order is {', '.join(names)}"
            )
        _check_golden_rows(window, device, manifest)
        old = "observed" in arrays and len(branches) == 1
        golden = Golden(
            window=window,
            device=device,
            slot=_turn(device) if old and "slot" not in arrays else arrays["slot"],
            observed={b: arrays["observed" if old else f"{b}.observed"] for b in branches},
            expected={b: arrays["expected" if old else f"{b}.expected"] for b in branches},
            score=arrays["score"],
            threshold=fixed[device] if old and "threshold" not in arrays else arrays["threshold"],
        )
    except KeyError as exc:
        raise BundleError(f"{GOLDEN}: no array {exc}") from exc
    n = device.size
    if not golden.slot.shape == golden.score.shape == golden.threshold.shape == (n,):
        raise BundleError(f"{GOLDEN}: shapes do not fit the manifest")
    if golden.slot.dtype != np.int64:
        raise BundleError(f"{GOLDEN}: 'slot' must hold whole numbers of 64 bits")
    return golden


def _check_golden_rows(window: NDArray[Any], device: NDArray[Any], manifest: Manifest) -> None:
    longest = max(branch.window for branch in manifest.branches)
    n = device.size
    if n == 0 or device.shape != (n,) or window.shape != (n, longest, len(manifest.signals)):
        raise BundleError(f"{GOLDEN}: shapes do not fit the manifest")
    if window.dtype != np.float32 or device.dtype != np.int64:
        raise BundleError(f"{GOLDEN}: 'window' must be float32 and 'device' int64")
    if not (device.min() >= 0 and device.max() < len(manifest.devices)):
        raise BundleError(f"{GOLDEN}: 'device' names a row that the manifest has not")


def _turn(device: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many windows of the same device came before each, (N,)."""
    seen = np.zeros(int(device.max()) + 1, np.int64)
    turns = np.empty_like(device)
    for i, d in enumerate(device):
        turns[i] = seen[d]
        seen[d] += 1
    return turns
