"""Eight air compressors (2023 AI SPARK Challenge), seven signals, hourly rows, no clock.

Public layout: `train_data.csv` and `test_data.csv` of the folder `data/raw` of the repository
Myungbin/Anomaly-Detection-of-Air-Compressor. Training rows are all normal; the labels of the test
rows were never published. Rows have no time: they begin at 2021-01-01T00:00Z here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording

__all__ = ["DEVICES", "MISSING", "PERIOD_NS", "SIGNALS", "load"]

DEVICES = tuple(f"compressor-{i}" for i in range(8))
SIGNALS = (
    "air_inflow",
    "air_end_temp",
    "out_pressure",
    "motor_current",
    "motor_rpm",
    "motor_temp",
    "motor_vibe",
)
PERIOD_NS = 3600 * 10**9
MISSING = files.place(
    "the folder `data/raw` of Myungbin/Anomaly-Detection-of-Air-Compressor", "compressor8"
)


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Normal rows of every compressor, and those that follow; both unlabelled.

    Args:
        root: The dataset's folder.
        entities: `compressor-0` to `compressor-7`; by default all.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("compressor8")
    wanted = files.chosen("compressor8", DEVICES, entities, MISSING)
    train = _half(root / "train_data.csv", wanted, {})
    rows = {recording.device: recording.t_ns.size for recording in train}
    return Halves(train, _half(root / "test_data.csv", wanted, rows))


def _half(path: Path, wanted: Sequence[str], before: dict[str, int]) -> list[Recording]:
    """Recordings of one file, each `before` rows after the first of all."""
    found = files.columns(path, (*SIGNALS, "type"), MISSING)
    values = np.stack([found[name] for name in SIGNALS], axis=1).astype(np.float32)
    recordings = []
    for device in wanted:
        mine = values[found["type"] == DEVICES.index(device)]
        if not len(mine):
            raise RecordingError(f"{path}: no rows of type {DEVICES.index(device)}")
        t_ns = files.EPOCH_NS + (before.get(device, 0) + np.arange(len(mine))) * PERIOD_NS
        rows = {"t_ns": t_ns, "signals": SIGNALS, "values": mine}
        recordings.append(files.recording(path, device, rows))
    return recordings
