"""Bearings run to failure on PRONOSTIA (Nectoux et al., PHM 2012): 0.1 s at 25.6 kHz every 10 s.

Public layout: the folder `Learning_set` of wkzs111/phm-ieee-2012-data-challenge-dataset, that is
`Bearing1_2/acc_00001.csv` and so on; the same as `Bearing1_2.npz` (acc_milli_g, thousandths of g;
t_seconds_of_day) is read as well. No labels: every run ends in failure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording

__all__ = ["MISSING", "PERIOD_NS", "SAMPLES", "SIGNALS", "Snapshots", "load", "snapshots"]

SIGNALS = ("horizontal", "vertical")
RATE_HZ = 25_600
SAMPLES = 2_560  # of a snapshot
PERIOD_NS = 39_062  # between samples, short of half a nanosecond
LEARN = 0.35  # first share of the life: 0.2 to learn from and the rest to calibrate
MISSING = files.place(
    "the folder `Learning_set` of github.com/wkzs111/phm-ieee-2012-data-challenge-dataset",
    "pronostia",
)


@dataclass(frozen=True)
class Snapshots:
    """Short looks at a machine, far apart."""

    device: str
    t_s: NDArray[np.float64]  # (N,) seconds since the first
    values: NDArray[np.float32]  # (N, SAMPLES, 2) g

    def recording(self, start: int = 0, stop: int | None = None) -> Recording:
        """Snapshots laid end to end, as a sensor that never paused would give them.

        A grid of samples would otherwise have to hold the pauses, 99 % of the time.
        """
        laid = self.values[start:stop].reshape(-1, len(SIGNALS))
        first = files.EPOCH_NS // PERIOD_NS + start * SAMPLES
        t_ns = (first + np.arange(len(laid))) * PERIOD_NS
        return Recording(self.device, t_ns, SIGNALS, laid)


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """First 35 % of every bearing's life, and the rest; both unlabelled.

    Args:
        root: The dataset's folder.
        entities: Such as `Bearing1_2`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("pronostia")
    there = sorted({p.stem for p in root.glob("Bearing*") if p.is_dir() or p.suffix == ".npz"})
    halves = Halves([], [])
    for device in files.chosen("pronostia", there, entities, MISSING):
        life = snapshots(device, root)
        border = int(len(life.values) * LEARN)
        halves.train.append(life.recording(stop=border))
        halves.test.append(life.recording(start=border))
    return halves


def snapshots(device: str, root: Path | None = None) -> Snapshots:
    """One bearing's life.

    Raises:
        RecordingError: It is not there or a file is not what it should be.
    """
    root = root or files.folder("pronostia")
    packed = root / f"{device}.npz"
    if packed.exists():
        found = files.arrays(packed, ("acc_milli_g", "t_seconds_of_day"), MISSING)
        values, t_s = found["acc_milli_g"] / 1000, found["t_seconds_of_day"]
        path = packed
    else:
        path = root / device
        values, t_s = _text(path)
    if values.shape != (len(t_s), SAMPLES, len(SIGNALS)):
        raise RecordingError(f"{path}: shape {values.shape}, not (n, {SAMPLES}, {len(SIGNALS)})")
    return Snapshots(device, t_s - t_s[0], values.astype(np.float32))


def _text(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns hour, minute, second, microsecond, horizontal, vertical; `;` in some files."""
    values, t_s = [], []
    for path in sorted(folder.glob("acc_*.csv")):
        with path.open(encoding="utf-8", errors="replace") as file:
            delimiter = ";" if ";" in file.readline() else ","
        table = files.matrix(path, MISSING, delimiter=delimiter)
        if table.shape != (SAMPLES, 6):
            raise RecordingError(f"{path}: shape {table.shape}, not ({SAMPLES}, 6)")
        hour, minute, second, micro = table[0, :4]
        t_s.append(hour * 3600 + minute * 60 + second + micro / 1e6)
        values.append(table[:, 4:])
    if not values:
        raise RecordingError(f"{folder}: no acc_*.csv: {MISSING}")
    return np.stack(values), np.array(t_s)
