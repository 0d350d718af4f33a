"""Bearing vibration of Case Western Reserve University's Bearing Data Center.

Public layout: `.mat` files named as in the repository XiongMeijing/CWRU-1 (`Normal_0.mat`,
`IR007_0.mat`, `OR007@6_0.mat`), flat or in its folders `Data/Normal` and `Data/12k_DE`; the same
arrays as `.npz` (DE, FE) are read as well. Faults were sampled at 12 kHz and the healthy files,
whatever many papers say, at 48 kHz: their lines match those of the faults only after decimation
by four, which is done here. Without it any detector is one of sampling rates.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError
from scipy.signal import decimate

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording

__all__ = ["MISSING", "PERIOD_NS", "RATE_HZ", "as_recording", "diluted", "load", "samples"]

RATE_HZ = 12_000
PERIOD_NS = 83_333  # 1 / RATE_HZ, short of a third of a nanosecond
HEALTHY = "Normal_0"
HEALTHY_RATE_HZ = 48_000
LEARN = 0.6  # first share of the healthy file; the rest is judged
MISSING = files.place("the folders `Normal` and `12k_DE` of github.com/XiongMeijing/CWRU-1", "cwru")
NOT_MAT = (MatReadError, OSError, ValueError, TypeError, KeyError, NotImplementedError)


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Healthy samples to learn from, and what follows them with every fault file, labelled.

    One device a file; all have the one signal `DE`, the drive end's accelerometer.

    Args:
        root: The dataset's folder.
        entities: Fault files, such as `IR007_0`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("cwru")
    there = sorted(name for name in _names(root) if not name.startswith("Normal"))
    faults = files.chosen("cwru", there, entities, MISSING)
    healthy = samples(HEALTHY, root)
    border = int(len(healthy) * LEARN)
    later = [(HEALTHY, healthy[border:], False)]
    later += [(fault, samples(fault, root), True) for fault in faults]
    return Halves(
        [as_recording(HEALTHY, healthy[:border])],
        [
            as_recording(name, x, labels=np.full(len(x), faulty), offset=border)
            for name, x, faulty in later
        ],
    )


def samples(name: str, root: Path | None = None) -> NDArray[np.float32]:
    """Drive-end acceleration at 12 kHz, g, shape (n,).

    Raises:
        RecordingError: The file is not there or not what it should be.
    """
    root = root or files.folder("cwru")
    found = _names(root)
    if name not in found:
        raise RecordingError(f"{root / name}: not there: {MISSING}")
    path = found[name]
    raw = files.arrays(path, ("DE",), MISSING)["DE"] if path.suffix == ".npz" else _mat(path)
    if raw.ndim != 1 or raw.size < RATE_HZ:
        raise RecordingError(f"{path}: DE has shape {raw.shape}, a second of samples is needed")
    if name.startswith("Normal"):
        raw = decimate(raw.astype(np.float64), HEALTHY_RATE_HZ // RATE_HZ, ftype="fir")
    return raw.astype(np.float32)


def diluted(
    healthy: NDArray[np.float32], fault: NDArray[np.float32], level_db: float
) -> NDArray[np.float32]:
    """Healthy samples with a fault's mixed in, as if it were much weaker, shape (n,).

    Args:
        healthy: Shape (n,).
        fault: At least as long.
        level_db: Energy of what is mixed in, by the healthy samples'.
    """
    part = fault[: healthy.size]
    energy = float(np.mean(healthy.astype(np.float64) ** 2) / np.mean(part.astype(np.float64) ** 2))
    mixed: NDArray[np.float32] = (healthy + np.sqrt(energy * 10 ** (level_db / 10)) * part).astype(
        np.float32
    )
    return mixed


def as_recording(
    device: str,
    x: NDArray[np.float32],
    *,
    labels: NDArray[np.bool_] | None = None,
    offset: int = 0,
) -> Recording:
    """Samples as one device's recording, `offset` of them after the first of all."""
    t_ns = files.EPOCH_NS // PERIOD_NS * PERIOD_NS + (offset + np.arange(len(x))) * PERIOD_NS
    return Recording(device, t_ns, ("DE",), x[:, np.newaxis], labels)


def _names(root: Path) -> dict[str, Path]:
    """Files by name, with `at` for the `@` that stands in the published ones."""
    folders = (root, root / "Normal", root / "12k_DE", root / "Data/Normal", root / "Data/12k_DE")
    return {
        path.stem.replace("@", "at"): path
        for place in folders
        for path in (*place.glob("*.mat"), *place.glob("*.npz"))
    }


def _mat(path: Path) -> NDArray[Any]:
    """The variable `X105_DE_time` and the like."""
    try:
        variables = loadmat(str(path))
        name = next(key for key in variables if key.endswith("_DE_time"))
    except StopIteration as exc:
        raise RecordingError(f"{path}: no variable ..._DE_time") from exc
    except NOT_MAT as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc
    return np.asarray(variables[name]).ravel()
