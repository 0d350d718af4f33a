"""Features of NASA's IMS bearings run to failure, one row a snapshot every 10 min.

Public layout: the folder `data/processed` of the repository fatemeh-studio/nasa-bearing-anomaly,
that is `test1_raw.csv` and `test2_raw.csv` (RMS, mean, deviation, maximum, kurtosis and skew a
channel), packed with gzip or not. Four bearings on one shaft; test1 has two channels a bearing
and ends with bearings 3 and 4 damaged, test2 with bearing 1. No labels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["DAMAGED", "MISSING", "PERIOD_NS", "TESTS", "load"]

TESTS = ("test1", "test2", "test3")
DAMAGED = {"test1": ("Bearing3", "Bearing4"), "test2": ("Bearing1",), "test3": ("Bearing3",)}
PERIOD_NS = 600 * 10**9
LEARN = 0.3  # first share of the life: 0.02 to 0.2 is learnt from in the notes, the rest calibrates
RUN_IN = 0.02  # first share, left out: bearings run in
MISSING = files.place("the folder `data/processed` of fatemeh-studio/nasa-bearing-anomaly", "ims")
FEATURES = ("rms", "std", "max", "kurt", "skew")


def load(
    root: Path | None = None,
    entities: Sequence[str] | None = None,
    features: Sequence[str] = FEATURES,
) -> Halves:
    """The share of 2 to 30 % of every test's life, and the rest; both unlabelled.

    Args:
        root: The dataset's folder.
        entities: `test1` to `test3`; by default all that are there.
        features: Of every channel; a signal is called `Bearing1_ch1_rms`.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("ims")
    there = [name for name in TESTS if any(root.glob(f"{name}_raw.csv*"))]
    halves = Halves([], [])
    for device in files.chosen("ims", there, entities, MISSING):
        path = root / f"{device}_raw.csv"
        found = files.columns(path, (), MISSING)
        names = tuple(name for name in found if name.rpartition("_")[2] in features)
        if "timestamp" not in found or not names:
            raise RecordingError(f"{path}: no `timestamp` or no features among {', '.join(found)}")
        values = np.stack([found[name] for name in names], axis=1).astype(np.float32)
        rows = {"t_ns": found["timestamp"], "signals": names, "values": values}
        whole = files.recording(path, device, rows)
        first, border = (int(whole.t_ns[int(values.shape[0] * x)]) for x in (RUN_IN, LEARN))
        halves.train.append(cut(whole, first, border))
        halves.test.append(cut(whole, border, int(whole.t_ns[-1]) + 1))
    return halves
