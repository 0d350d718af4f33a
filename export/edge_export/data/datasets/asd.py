"""The Application Server Dataset (Li et al., InterFusion, KDD 2021): twelve servers, 5 min.

Public layout: the folder `data` of the repository zhhlee/InterFusion, that is
`processed/omi-1_train.pkl`, `_test.pkl`, `_test_label.pkl` and `interpretation_label/omi-1.txt`.
The same arrays as `omi-1.npz` (train, test, label) are read as well. The dataset has no clock:
train begins at 2021-01-01T00:00Z here and test follows directly.
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

__all__ = ["DEVICES", "MISSING", "PERIOD_NS", "SIGNALS", "load"]

DEVICES = tuple(f"omi-{i}" for i in range(1, 9))  # the eight whose training halves are complete
KNOWN = tuple(f"omi-{i}" for i in range(1, 13))
SIGNALS = tuple(f"m{i:02d}" for i in range(1, 20))
PERIOD_NS = 300 * 10**9
MISSING = files.place("the folder `data` of github.com/zhhlee/InterFusion", "asd")
HALVES = {"train": "train", "test": "test", "label": "test_label"}


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Training halves (no labels) and test halves (labels and causes) of servers.

    Args:
        root: The dataset's folder.
        entities: `omi-1` to `omi-12`; by default the first eight.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("asd")
    halves = Halves([], [])
    for device in files.chosen("asd", KNOWN, entities or DEVICES, MISSING):
        arrays = _arrays(root, device)
        first, second, label = (arrays[key] for key in HALVES)
        for part in (first, second):
            if part.ndim != 2 or part.shape[1] != len(SIGNALS):  # noqa: PLR2004 - a table
                raise RecordingError(f"{root}: {device} has shape {part.shape}, not (n, 19)")
        start_ns = files.EPOCH_NS + len(first) * PERIOD_NS
        path = root / "interpretation_label" / f"{device}.txt"
        blamed = files.causes(path, SIGNALS, start_ns, PERIOD_NS, MISSING)
        halves.train.append(_recording(root, device, files.EPOCH_NS, first))
        halves.test.append(
            _recording(root, device, start_ns, second, labels=label.astype(np.bool_), causes=blamed)
        )
    return halves


def _recording(
    root: Path,
    device: str,
    start_ns: int,
    values: NDArray[Any],
    **judged: Any,  # noqa: ANN401 - labels and causes, as a Recording takes them
) -> Recording:
    t_ns = start_ns + np.arange(len(values)) * PERIOD_NS
    rows = {"t_ns": t_ns, "signals": SIGNALS, "values": values.astype(np.float32)}
    return files.recording(root, device, rows | judged)


def _arrays(root: Path, device: str) -> dict[str, NDArray[Any]]:
    packed = root / f"{device}.npz"
    if packed.exists():
        return files.arrays(packed, HALVES, MISSING)
    public = root / "processed"
    return {
        key: files.unpickle(public / f"{device}_{name}.pkl", MISSING)
        for key, name in HALVES.items()
    }
