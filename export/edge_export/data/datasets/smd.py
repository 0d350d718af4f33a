"""The Server Machine Dataset (Su et al., OmniAnomaly, KDD 2019): 28 machines, 1 min.

Public layout: the folder `ServerMachineDataset` of the repository NetManAIOps/OmniAnomaly, that
is `train/machine-1-1.txt`, `test/`, `test_label/` and `interpretation_label/`. The same values as
`machine-1-1.npz` (train_micro, test_micro: millionths, signal by signal; label) are read as well.
The dataset has no clock: train begins at 2021-01-01T00:00Z here and test follows directly.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves

__all__ = ["MACHINES", "MISSING", "PERIOD_NS", "SIGNALS", "load"]

MACHINES = (
    *(f"machine-1-{i}" for i in range(1, 9)),
    *(f"machine-2-{i}" for i in range(1, 10)),
    *(f"machine-3-{i}" for i in range(1, 12)),
)
SIGNALS = tuple(f"m{i:02d}" for i in range(1, 39))
PERIOD_NS = 60 * 10**9
MISSING = files.place("the folder `ServerMachineDataset` of NetManAIOps/OmniAnomaly", "smd")
MICRO = 1e-6


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Training halves (no labels) and test halves (labels and causes) of machines.

    Args:
        root: The dataset's folder.
        entities: Such as `machine-2-8`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("smd")
    there = [
        name for name in MACHINES if _packed(root, name).exists() or _text(root, name).exists()
    ]
    halves = Halves([], [])
    for device in files.chosen("smd", there, entities, MISSING):
        first, second, label = _arrays(root, device)
        for part in (first, second):
            if part.ndim != 2 or part.shape[1] != len(SIGNALS):  # noqa: PLR2004 - a table
                raise RecordingError(f"{root}: {device} has shape {part.shape}, not (n, 38)")
        start_ns = files.EPOCH_NS + len(first) * PERIOD_NS
        path = root / "interpretation_label" / f"{device}.txt"
        blamed = files.causes(path, SIGNALS, start_ns, PERIOD_NS, MISSING)
        judged = {"labels": label > 0, "causes": blamed}
        for rows, begin, more, half in (
            (first, files.EPOCH_NS, {}, halves.train),
            (second, start_ns, judged, halves.test),
        ):
            table: dict[str, Any] = {
                "t_ns": begin + np.arange(len(rows)) * PERIOD_NS,
                "signals": SIGNALS,
                "values": rows.astype(np.float32),
            }
            half.append(files.recording(root, device, table | more))
    return halves


def _packed(root: Path, device: str) -> Path:
    return root / f"{device}.npz"


def _text(root: Path, device: str, half: str = "train") -> Path:
    return root / half / f"{device}.txt"


def _arrays(root: Path, device: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Values of both halves, (n, C), and labels of the second, (n,)."""
    packed = _packed(root, device)
    if packed.exists():
        found = files.arrays(packed, ("train_micro", "test_micro", "label"), MISSING)
        return found["train_micro"].T * MICRO, found["test_micro"].T * MICRO, found["label"]
    train, test = (
        files.matrix(_text(root, device, half), MISSING, delimiter=",")
        for half in ("train", "test")
    )
    return train, test, files.matrix(_text(root, device, "test_label"), MISSING)[:, 0]
