"""The Application Server Dataset (Li et al., InterFusion, KDD 2021): twelve servers, 5 min.

Public layout: the folder `data` of the repository zhhlee/InterFusion, that is
`processed/omi-1_train.pkl`, `_test.pkl`, `_test_label.pkl` and `interpretation_label/omi-1.txt`.
The pickled arrays are read without running what a pickle may ask for; the same arrays as
`omi-1.npz` (train, test, label) are read as well. The dataset has no clock: train begins at
2021-01-01T00:00Z here and test follows directly.
"""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.recordings import Cause, Recording

__all__ = ["DEVICES", "MISSING", "PERIOD_NS", "SIGNALS", "START_NS", "folder", "load"]

DEVICES = tuple(f"omi-{i}" for i in range(1, 9))  # the eight whose training halves are complete
SIGNALS = tuple(f"m{i:02d}" for i in range(1, 20))
PERIOD_NS = 300 * 10**9
START_NS = 1_609_459_200 * 10**9  # 2021-01-01T00:00Z
MISSING = (
    "download the folder `data` of github.com/zhhlee/InterFusion and put it, named `asd`, into "
    "../shared/data or into the folder that the environment variable EDGE_DATA names"
)


def folder() -> Path:
    """Where the dataset is looked for."""
    return Path(os.environ.get("EDGE_DATA", "../shared/data")) / "asd"


def load(
    root: Path | None = None, devices: tuple[str, ...] = DEVICES
) -> tuple[list[Recording], list[Recording]]:
    """Training halves (no labels) and test halves (labels and causes) of `devices`.

    Args:
        root: The dataset's folder; `folder()` by default.
        devices: Servers, `omi-1` to `omi-12`.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or a file is not what it should be.
    """
    root = root or folder()
    train, test = [], []
    for device in devices:
        arrays = _arrays(root, device)
        first, second, label = (arrays[key] for key in ("train", "test", "label"))
        for part in (first, second):
            if part.ndim != 2 or part.shape[1] != len(SIGNALS):  # noqa: PLR2004 - a table
                raise RecordingError(f"{root}: {device} has shape {part.shape}, not (n, 19)")
        train.append(_recording(device, 0, first))
        test.append(_recording(device, len(first), second, label, _causes(root, device, first)))
    return train, test


def _recording(
    device: str,
    offset: int,
    values: NDArray[Any],
    label: NDArray[Any] | None = None,
    causes: tuple[Cause, ...] | None = None,
) -> Recording:
    return Recording(
        device=device,
        t_ns=_time(offset + np.arange(len(values))),
        signals=SIGNALS,
        values=values.astype(np.float32),
        labels=None if label is None else label.astype(np.bool_),
        causes=causes,
    )


def _time(row: NDArray[np.int64]) -> NDArray[np.int64]:
    return START_NS + row * PERIOD_NS


def _arrays(root: Path, device: str) -> dict[str, NDArray[Any]]:
    packed = root / f"{device}.npz"
    public = root / "processed"
    names = {"train": "train", "test": "test", "label": "test_label"}
    try:
        if packed.exists():
            with np.load(packed, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in names}
        return {key: _unpickle(public / f"{device}_{name}.pkl") for key, name in names.items()}
    except FileNotFoundError as exc:
        raise RecordingError(f"{exc.filename}: not there: {MISSING}") from exc
    except (OSError, ValueError, KeyError, pickle.UnpicklingError) as exc:
        raise RecordingError(f"{root}: {device} cannot be read: {exc}") from exc


def _causes(root: Path, device: str, train: NDArray[Any]) -> tuple[Cause, ...]:
    """Lines `760-765:4,5,7`: rows of the test half, both included, and signals from 1."""
    path = root / "interpretation_label" / f"{device}.txt"
    causes = []
    try:
        for line in path.read_text("utf-8").split():
            span, _, blamed = line.partition(":")
            first, last = (int(row) + len(train) for row in span.split("-"))
            causes.append(
                Cause(
                    start_ns=START_NS + first * PERIOD_NS,
                    end_ns=START_NS + (last + 1) * PERIOD_NS,
                    signals=tuple(SIGNALS[int(number) - 1] for number in blamed.split(",")),
                )
            )
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {MISSING}") from exc
    except (ValueError, IndexError) as exc:
        raise RecordingError(f"{path}: not a list of root causes: {exc}") from exc
    return tuple(causes)


class _Arrays(pickle.Unpickler):
    """Builds numpy arrays and refuses whatever else a pickle may ask for."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        core = module.replace("numpy.core", "numpy._core")  # where numpy 2 keeps it
        allowed = {
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
        if (core, name) not in allowed:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which no array needs")
        found: Callable[..., Any] = super().find_class(core, name)
        return found


def _unpickle(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return np.asarray(_Arrays(file).load())
