"""The Skoltech Anomaly Benchmark (Katser & Kozitsin, 2020): a water circuit's test bench, 1 s.

Public layout: the folder `data` of the repository waico/SKAB, that is `valve1/0.csv` and so on,
`valve2/`, `other/` and `anomaly-free/`. As its leaderboard has it, the first 400 rows of every
experiment are what to learn from and the rest is judged. Licence GPL-3.0: for tests only.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["LEARN", "MISSING", "PERIOD_NS", "SIGNALS", "load"]

SIGNALS = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
)
PERIOD_NS = 10**9
LEARN = 400  # rows of every experiment, as the leaderboard's notebooks have it
GROUPS = ("valve1", "valve2", "other")
MISSING = files.place("the folder `data` of github.com/waico/SKAB", "skab")


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """First 400 rows of every experiment (no labels) and the rest of it (labels).

    Args:
        root: The dataset's folder.
        entities: Such as `valve1-0`, `other-3`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("skab")
    there = {
        f"{group}-{path.stem}": path
        for group in GROUPS
        for path in sorted((root / group).glob("*.csv"), key=lambda p: (len(p.stem), p.stem))
    }
    halves = Halves([], [])
    for device in files.chosen("skab", list(there), entities, MISSING):
        path = there[device]
        found = files.columns(path, ("datetime", *SIGNALS, "anomaly"), MISSING, delimiter=";")
        table = {
            "t_ns": found["datetime"],
            "signals": SIGNALS,
            "values": np.stack([found[name] for name in SIGNALS], axis=1).astype(np.float32),
        }
        whole = files.recording(path, device, table | {"labels": found["anomaly"] > 0})
        if whole.t_ns.size <= LEARN:
            raise RecordingError(f"{path}: {whole.t_ns.size} rows, more than {LEARN} are needed")
        border = int(whole.t_ns[LEARN])
        first = files.recording(path, device, {key: _head(value) for key, value in table.items()})
        halves.train.append(first)
        halves.test.append(cut(whole, border, int(whole.t_ns[-1]) + 1))
    return halves


def _head(value: object) -> object:
    return value[:LEARN] if isinstance(value, np.ndarray) else value
