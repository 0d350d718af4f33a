"""The Tennessee Eastman process (Downs & Vogel 1993; files of Braatz's group): 3 min.

Public layout: the files `d00.dat` to `d21.dat` and `d00_te.dat` to `d21_te.dat` of the repository
camaramm/tennessee-eastman-profBraatz, packed with gzip or not. `d00` and `d00_te` are healthy;
in `dNN_te` fault NN begins at row 160. `d00.dat` is stored with signals in rows. Every file is
a run of its own: here they follow each other on one plant's clock, half a day apart, so that
no window holds two of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording

__all__ = [
    "DEVICE",
    "FAULT_ROW",
    "HARD",
    "MISSING",
    "PERIOD_NS",
    "SIGNALS",
    "faults",
    "load",
    "run",
]

DEVICE = "tep"
SIGNALS = (*(f"xmeas_{i}" for i in range(1, 42)), *(f"xmv_{i}" for i in range(1, 12)))
PERIOD_NS = 180 * 10**9
FAULT_ROW = 160  # 8 h into every `_te` file
HARD = ("d03", "d09", "d15")  # practically undetectable, by convention told apart
KNOWN = tuple(f"d{i:02d}" for i in range(22))
PAUSE = 240  # rows between two runs: half a day
MISSING = files.place("the .dat files of github.com/camaramm/tennessee-eastman-profBraatz", "tep")


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Both healthy runs (to learn from and to calibrate with), and the faulty ones, labelled.

    Args:
        root: The dataset's folder.
        entities: Faults, such as `d01`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("tep")
    chosen = files.chosen("tep", faults(root), entities, MISSING)
    start, halves = files.EPOCH_NS, Halves([], [])
    for name in ("d00", "d00_te", *(f"{fault}_te" for fault in chosen)):
        healthy = name.startswith("d00")
        one = run(name, root, start_ns=start, labelled=not healthy)
        (halves.train if healthy else halves.test).append(one)
        start += (one.t_ns.size + PAUSE) * PERIOD_NS
    return halves


def faults(root: Path | None = None) -> list[str]:
    """Names of the faults of which the judged half is there, in the order of `load`."""
    root = root or files.folder("tep")
    return [name for name in KNOWN[1:] if any(root.glob(f"{name}_te.dat*"))]


def run(
    name: str, root: Path | None = None, *, start_ns: int = files.EPOCH_NS, labelled: bool = False
) -> Recording:
    """One file.

    Args:
        name: `d00` to `d21`, with or without `_te`.
        root: The dataset's folder.
        start_ns: Time of the first row.
        labelled: Mark the rows from FAULT_ROW on.

    Raises:
        RecordingError: It is not there or not what it should be.
    """
    path = (root or files.folder("tep")) / f"{name}.dat"
    values = files.matrix(path, MISSING)
    if values.shape[0] == len(SIGNALS):  # d00.dat lies on its side
        values = values.T
    if values.shape[1] != len(SIGNALS):
        raise RecordingError(f"{path}: {values.shape[1]} columns, not {len(SIGNALS)}")
    table: dict[str, Any] = {
        "t_ns": start_ns + np.arange(len(values)) * PERIOD_NS,
        "signals": SIGNALS,
        "values": values.astype(np.float32),
        "labels": _labels(len(values)) if labelled else None,
    }
    return files.recording(path, DEVICE, table)


def _labels(rows: int) -> NDArray[np.bool_]:
    return np.arange(rows) >= FAULT_ROW
