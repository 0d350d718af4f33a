"""CSV and Parquet tables: a time column, perhaps `device` and `label`, the rest signals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Recording

__all__ = ["read"]

TIMES = ("time", "timestamp", "t")
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def read(path: Path, *, signals: Sequence[str] | None = None, unit: str = "s") -> list[Recording]:
    """The recordings in a wide table, one a device, in the order of their first rows.

    The time column is called `time`, `timestamp` or `t`: ISO 8601 (UTC where it names no
    zone) or a number since the epoch. Without a column `device` the file's stem is the
    device. A column `label` (0 or 1) becomes the labels. Empty cells and infinities count
    as missing: the agent does not use them either.

    Args:
        path: `.csv` or `.parquet`.
        signals: Which columns, in this order; by default all the others in the file's order.
        unit: Of a numeric time: s, ms, us or ns.

    Raises:
        RecordingError: The file cannot be read, is empty, lacks a column, a column is not
            numeric or wholly empty, or a device's time does not rise. Names file and column.
    """
    table = _table(path)
    if not table.num_rows:
        raise RecordingError(f"{path}: no rows")
    names = table.column_names
    time = next((name for name in TIMES if name in names), None)
    if time is None:
        raise RecordingError(
            f"{path}: no time column ({', '.join(TIMES)}) among {', '.join(names)}"
        )
    special = {time, "device", "label"}
    wanted = list(signals) if signals is not None else [n for n in names if n not in special]
    if not wanted:
        raise RecordingError(f"{path}: no signal beside {', '.join(names)}")
    for name in wanted:
        if name not in names:
            raise RecordingError(f"{path}: no column {name!r} among {', '.join(names)}")
    t_ns = _times(path, table, time, unit)
    values = np.stack([_numbers(path, table, name) for name in wanted], axis=1)
    labels = _numbers(path, table, "label") > 0 if "label" in names else None
    device = _devices(path, table)
    recordings = []
    for name in dict.fromkeys(device.tolist()):
        rows = np.flatnonzero(device == name)
        late = np.flatnonzero(np.diff(t_ns[rows]) <= 0)
        if late.size:
            row = int(rows[late[0] + 1]) + 1
            raise RecordingError(f"{path}: {time!r} of {name} does not rise at data row {row}")
        for c, signal in enumerate(wanted):
            if np.isnan(values[rows, c]).all():
                raise RecordingError(f"{path}: column {signal!r} of {name} holds no number")
        recordings.append(
            Recording(
                device=name,
                t_ns=t_ns[rows],
                signals=tuple(wanted),
                values=values[rows],
                labels=None if labels is None else labels[rows],
            )
        )
    return recordings


def _table(path: Path) -> Any:  # noqa: ANN401 - pyarrow ships no types
    readers = {".csv": pa_csv.read_csv, ".parquet": pq.read_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RecordingError(f"{path}: neither .csv nor .parquet")
    try:
        return reader(path)
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there") from exc
    except (pa.ArrowInvalid, OSError) as exc:
        raise RecordingError(f"{path}: {exc}") from exc


def _times(path: Path, table: Any, name: str, unit: str) -> NDArray[np.int64]:  # noqa: ANN401 - pyarrow is untyped
    column = table.column(name)
    if column.null_count:
        raise RecordingError(f"{path}: column {name!r} has empty cells")
    try:
        if pa.types.is_timestamp(column.type):
            zone = column.type.tz
            return np.asarray(column.cast(pa.timestamp("ns", zone)).cast(pa.int64()), np.int64)
        if pa.types.is_integer(column.type):
            return np.asarray(column, np.int64) * UNITS[unit]
        if pa.types.is_floating(column.type):
            return np.rint(np.asarray(column, np.float64) * UNITS[unit]).astype(np.int64)
    except pa.ArrowInvalid as exc:
        raise RecordingError(f"{path}: column {name!r}: {exc}") from exc
    raise RecordingError(f"{path}: column {name!r} is {column.type}, neither ISO 8601 nor a number")


def _numbers(path: Path, table: Any, name: str) -> NDArray[np.float32]:  # noqa: ANN401 - pyarrow is untyped
    column = table.column(name).combine_chunks()
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan, np.float32)
    if not (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_boolean(column.type)
    ):
        raise RecordingError(f"{path}: column {name!r} is not numeric: {_sample(column)}")
    out = np.array(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float32)
    out[np.isinf(out)] = np.nan
    return out


def _sample(column: Any) -> str:  # noqa: ANN401 - pyarrow is untyped
    """The first cell that is no number, for the error's text."""
    for row, cell in enumerate(column.to_pylist(), start=1):
        try:
            float(cell)
        except (TypeError, ValueError):
            return f"{cell!r} at data row {row}"
    return f"it holds {column.type}"


def _devices(path: Path, table: Any) -> NDArray[np.str_]:  # noqa: ANN401 - pyarrow is untyped
    if "device" not in table.column_names:
        return np.full(table.num_rows, path.stem)
    column = table.column("device")
    if column.null_count:
        raise RecordingError(f"{path}: column 'device' has empty cells")
    return np.array(pc.cast(column, pa.string()).to_pylist())
