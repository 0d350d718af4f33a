"""Bundles on disk: written whole or not at all, and read back before they count."""

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import (
    CALIBRATION,
    GOLDEN,
    MANIFEST,
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    Bundle,
    File,
    Golden,
    Manifest,
    dump_manifest,
    open_bundle,
)
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Spec, check_golden, tolerance
from edge_export.data.recordings import Windows
from edge_export.graphs.verify import load_model

__all__ = [
    "CURVES",
    "REPORT",
    "add_file",
    "check_place",
    "choose_golden",
    "curves_file",
    "pack",
    "read_bundle",
    "record_golden",
    "rest_of",
    "write_bundle",
]

CURVES, REPORT = "training.npz", "report.html"  # of a bundle, for people; no gateway needs them
LARGEST = 1 << 18  # cells of all golden windows together: a megabyte
FEWEST = 4  # windows of a device, so that what remembers is asked too


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, checked.

    Raises:
        BundleError: It is not there or not what its manifest says; names folder and file.
    """
    try:
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return open_bundle(files)
    except (OSError, BundleError) as exc:
        raise BundleError(f"{folder}: {exc}") from exc


def rest_of(folder: Path, bundle: Bundle) -> dict[str, bytes]:
    """Files that the manifest lists beside graphs and arrays, such as training curves."""
    own = {CALIBRATION, GOLDEN, *bundle.graphs}
    return {name: (folder / name).read_bytes() for name in bundle.manifest.files if name not in own}


def choose_golden(windows: Windows, *, devices: int = 6, each: int = 8) -> Windows:
    """Consecutive windows of a few devices, interleaved as the agent would meet them.

    Args:
        windows: In time order within each device.
        devices: How many devices at most, spread over all.
        each: Windows of a device; fewer where windows are large.
    """
    cells = windows.window[0].size
    devices = max(1, min(devices, LARGEST // (cells * FEWEST)))
    present = np.unique(windows.device)
    chosen = present[np.linspace(0, len(present) - 1, min(devices, len(present))).astype(int)]
    each = max(FEWEST, min(each, LARGEST // (cells * len(chosen))))
    first = [np.flatnonzero(windows.device == d)[:each] for d in chosen]
    shortest = min(len(rows) for rows in first)
    return windows[np.stack([rows[:shortest] for rows in first], axis=1).ravel()]


def record_golden(spec: Spec, model: Model, windows: Windows) -> Golden:
    """What `model` and the recipe answer to `windows`, from a fresh start."""
    scorer = Scorer(spec, model)
    batches = scorer.answer(windows.window, windows.device, windows.slot)
    scores = scorer.judge(batches)
    names = [branch.name for branch in spec.manifest.branches]
    return Golden(
        window=windows.window,
        device=windows.device,
        slot=windows.slot,
        observed={name: batch.observed for name, batch in zip(names, batches, strict=True)},
        expected={name: batch.expected for name, batch in zip(names, batches, strict=True)},
        score=scores.score,
        threshold=scores.threshold,
    )


def pack(
    manifest: Manifest,
    graphs: Mapping[str, bytes],
    calibration: Mapping[str, NDArray[Any]],
    golden: Golden,
) -> dict[str, bytes]:
    """The bundle's files by name; the digests in `manifest` are filled in.

    Args:
        manifest: Complete but for `files`.
        graphs: Content by file name, as the manifest's branches name them.
        calibration: Arrays of calibration.npz.
        golden: Questions and answers.
    """
    signals = np.array([signal.name for signal in manifest.signals])
    answers: dict[str, NDArray[Any]] = {
        name: getattr(golden, name) for name in ("window", "device", "slot", "score", "threshold")
    }
    for branch in manifest.branches:
        answers[f"{branch.name}.observed"] = golden.observed[branch.name]
        answers[f"{branch.name}.expected"] = golden.expected[branch.name]
    files = {
        **graphs,
        CALIBRATION: _npz(calibration),
        GOLDEN: _npz(answers | {"signals": signals}),
    }
    digests = {
        name: File(sha256=hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    complete = msgspec.structs.replace(manifest, files=digests)
    return {MANIFEST: dump_manifest(complete).encode(), **files}


def curves_file(curves: Mapping[str, Sequence[float]]) -> dict[str, bytes]:
    """Losses by epoch as the file of a bundle that keeps them; none without curves."""
    if not curves:
        return {}
    return {CURVES: _npz({name: np.asarray(curve, np.float64) for name, curve in curves.items()})}


def add_file(folder: Path, name: str, content: bytes) -> Bundle:
    """Put one more file into the bundle in `folder`, listed in its manifest.

    Raises:
        BundleError: There is no bundle, or it cannot be written.
    """
    bundle = read_bundle(folder)
    files = {entry: (folder / entry).read_bytes() for entry in bundle.manifest.files}
    files[name] = content
    listed = {**bundle.manifest.files, name: File(sha256=hashlib.sha256(content).hexdigest())}
    manifest = msgspec.structs.replace(bundle.manifest, files=listed)
    return write_bundle(folder, {MANIFEST: dump_manifest(manifest).encode(), **files})


def check_place(out: Path) -> None:
    """Refuse a place that holds something other than a bundle.

    Raises:
        BundleError: It does.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise BundleError(f"{out}: exists and is not a bundle")


def write_bundle(out: Path, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle, read it back, let it answer its golden inputs, then put it in place.

    An older bundle at `out` is replaced; whatever else is there is left alone.

    Raises:
        BundleError: `out` holds something else, cannot be written, or what was written does
            not answer as recorded; `out` is as it was before.
    """
    check_place(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as temporary:
            fresh = Path(temporary) / "new"
            fresh.mkdir()
            for name, content in files.items():
                _write(fresh / name, content)
            _sync(fresh)
            bundle = read_bundle(fresh)
            for runtime in _runtimes(bundle.manifest):
                check_golden(bundle, load_model(bundle, runtime), allowed=tolerance(runtime))
            _swap(out, fresh, Path(temporary) / "old")
            _sync(out.parent)
    except OSError as exc:
        raise BundleError(f"{out}: cannot be written: {exc}") from exc
    return bundle


def _runtimes(manifest: Manifest) -> list[str]:
    """Those that every branch with a graph has one for."""
    runtimes = (ONNX, ONNX_INT8, TORCHSCRIPT)
    graphs = [branch.graphs for branch in manifest.branches if branch.graphs]
    if not graphs:
        return [ONNX]
    some = {runtime for named in graphs for runtime in named}
    return [
        runtime
        for runtime in runtimes
        if all(runtime in named for named in graphs) or (runtime == ONNX_INT8 and runtime in some)
    ]


def _swap(out: Path, fresh: Path, old: Path) -> None:
    """Put `fresh` in the place of `out`, or leave `out` as it was."""
    if not out.exists():
        fresh.rename(out)
        return
    out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        old.rename(out)
        raise


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **dict(arrays))
    return file.getvalue()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make the folder's entries last, as a file's fsync does for its content."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
