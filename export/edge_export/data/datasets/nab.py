"""The Numenta Anomaly Benchmark's series with known causes (Lavin & Ahmad, 2015): one signal.

Public layout: the folders `data` and `labels` of the repository numenta/NAB. The first 15 % of a
series are what to learn from, the benchmark's own probation; labels are its windows.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["MISSING", "SIGNAL", "load"]

GROUP = "realKnownCause"
SIGNAL = "value"
LEARN = 0.15
MISSING = files.place("the folders `data` and `labels` of github.com/numenta/NAB", "nab")


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """The first 15 % of every series, and the rest with labels.

    Args:
        root: The dataset's folder.
        entities: Such as `machine_temperature_system_failure`; by default all that are there.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or files.folder("nab")
    there = {path.stem: path for path in sorted((root / "data" / GROUP).glob("*.csv"))}
    halves = Halves([], [])
    for device in files.chosen("nab", list(there), entities, MISSING):
        path = there[device]
        found = files.columns(path, ("timestamp", SIGNAL), MISSING)
        rows = files.rising(found["timestamp"])
        t_ns = found["timestamp"][rows]
        table = {
            "t_ns": t_ns,
            "signals": (SIGNAL,),
            "values": found[SIGNAL][rows].astype(np.float32)[:, np.newaxis],
            "labels": _labels(root, f"{GROUP}/{path.name}", t_ns),
        }
        whole = files.recording(path, device, table)
        border = int(t_ns[int(rows.size * LEARN)])
        first = files.recording(path, device, table | {"labels": None})
        halves.train.append(cut(first, int(t_ns[0]), border))
        halves.test.append(cut(whole, border, 2**62))
    return halves


def _labels(root: Path, name: str, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    path = root / "labels" / "combined_windows.json"
    try:
        spans = [
            [_ns(stamp) for stamp in span] for span in json.loads(path.read_text("utf-8"))[name]
        ]
        marked = [(t_ns >= first) & (t_ns <= last) for first, last in spans]
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {MISSING}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise RecordingError(f"{path}: no windows of {name}: {exc}") from exc
    return np.any(marked, axis=0) if marked else np.zeros(t_ns.size, np.bool_)


def _ns(stamp: str) -> int:
    return round(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()) * 10**9
