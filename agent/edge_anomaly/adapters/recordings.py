"""Recordings on disk: wide tables with a row a moment, as CSV or Parquet.

One column is the time, one may name the device (else the file's name does), each other
column is a signal. An empty cell is a reading that was not taken.
"""

import csv
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError

__all__ = ["BLOCK", "Block", "Layout", "read_recording"]

BLOCK = 4096  # rows
_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_LATEST_NS = 2**63 - 1 - 365 * 86_400 * 10**9  # room for arithmetic on times
_DECIMAL = re.compile(r"^\s*(?P<sign>-?)(?P<whole>\d+)(?:\.(?P<rest>\d*))?\s*$", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Layout:
    """Which columns are not signals."""

    time: str = "time"
    device: str = "device"
    unit: str = "s"  # of a time that is a number


@dataclass(frozen=True)
class Block:
    """Some rows of a recording."""

    device: list[str]  # (n,)
    t_ns: NDArray[np.int64]  # (n,)
    signals: list[str]
    value: NDArray[np.float32]  # (n, signals), NaN where there is no reading
    done: float  # share of the file that has been read, 0..1


def read_recording(path: Path, layout: Layout) -> Iterator[Block]:
    """The rows of a recording, block by block.

    Raises:
        RecordingError: The file, a column or a cell cannot be read; names file and place.
    """
    readers: dict[str, Callable[[Path, Layout], Iterator[Block]]] = {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    if path.suffix not in readers:
        raise RecordingError(f"{path}: a recording is a .csv or a .parquet file")
    try:
        yield from readers[path.suffix](path, layout)
    except OSError as exc:
        raise RecordingError(f"{path}: {exc.strerror or exc}") from exc


def _read_csv(path: Path, layout: Layout) -> Iterator[Block]:
    size = max(1, path.stat().st_size)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            columns = _Columns(path, header, layout)
            block: list[list[str]] = []
            lines: list[int] = []
            for row in rows:
                if not row:
                    continue
                if len(row) != len(header):
                    raise RecordingError(
                        f"{path}:{rows.line_num}: {len(row)} cells, the header has {len(header)}"
                    )
                block.append(row)
                lines.append(rows.line_num)
                if len(block) == BLOCK:
                    yield columns.block(block, lines, _position(file) / size)
                    block, lines = [], []
            if block:
                yield columns.block(block, lines, 1.0)
        except UnicodeDecodeError as exc:
            raise RecordingError(f"{path}: not UTF-8 text: {exc.reason}") from exc
        except csv.Error as exc:
            raise RecordingError(f"{path}:{rows.line_num}: {exc}") from exc


def _position(file: TextIO) -> int:
    return file.buffer.tell()  # tell() of a text file refuses while it is iterated


def _read_parquet(path: Path, layout: Layout) -> Iterator[Block]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and heavy
        import pyarrow.parquet as pq  # noqa: PLC0415 - likewise
    except ImportError as exc:
        raise RecordingError(
            f"{path}: Parquet needs pyarrow: pip install 'edge-anomaly-agent[parquet]'"
        ) from exc
    try:
        file = pq.ParquetFile(path)
        columns = _Columns(path, file.schema_arrow.names, layout)
        seen, total = 0, max(1, file.metadata.num_rows)
        for batch in file.iter_batches(BLOCK):
            rows = [list(row) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
            seen += len(rows)
            yield columns.block(rows, range(seen - len(rows) + 1, seen + 1), seen / total)
    except (pa.ArrowException, ValueError) as exc:  # the latter: ns times need pandas
        raise RecordingError(f"{path}: not a Parquet file that can be read: {exc}") from exc


class _Columns:
    """The header of a file, and how its rows read."""

    def __init__(self, path: Path, header: list[str], layout: Layout) -> None:
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise RecordingError(f"{path}: column {twice[0]!r} is there twice")
        if layout.time not in header:
            raise RecordingError(
                f"{path}: no time column {layout.time!r}; there are {', '.join(header) or 'none'} "
                "(name it with --time-column)"
            )
        self._path = path
        self._scale = _UNIT_NS[layout.unit]
        self._time = header.index(layout.time)
        self._device = header.index(layout.device) if layout.device in header else None
        skipped = {self._time, self._device}
        self._signals = [column for column in range(len(header)) if column not in skipped]
        self._names = [header[column] for column in self._signals]
        if not self._names:
            raise RecordingError(f"{path}: no column beside the time that could be a signal")

    def block(self, rows: list[list[Any]], lines: Sequence[int], done: float) -> Block:
        """Rows as columns; `lines` says where each one stands in the file.

        Raises:
            RecordingError: A cell is not what it must be; names line and column.
        """
        value = np.empty((len(rows), len(self._signals)), np.float32)
        t_ns = np.empty(len(rows), np.int64)
        with np.errstate(over="ignore"):  # 1e300 is infinite in single precision: no reading
            for i, (row, line) in enumerate(zip(rows, lines, strict=True)):
                t_ns[i] = self._t_ns(row[self._time], line)
                for j, column in enumerate(self._signals):
                    value[i, j] = self._number(row[column], line, self._names[j])
        device = (
            [self._path.stem] * len(rows)
            if self._device is None
            else [str(row[self._device]) for row in rows]
        )
        return Block(device, t_ns, self._names, value, done)

    def _number(self, cell: object, line: int, name: str) -> float:
        if cell is None or cell == "":
            return math.nan
        try:
            return float(cell)  # type: ignore[arg-type] # what cannot be one raises
        except (TypeError, ValueError):
            raise RecordingError(
                f"{self._path}:{line}: column {name!r}: {cell!r} is not a number"
            ) from None

    def _t_ns(self, cell: object, line: int) -> int:
        try:
            t_ns = self._read_time(cell)
        except (ValueError, OverflowError):
            t_ns = _LATEST_NS
        if not -_LATEST_NS < t_ns < _LATEST_NS:
            raise RecordingError(
                f"{self._path}:{line}: {cell!r} is neither ISO 8601 nor a number of seconds"
            )
        return t_ns

    def _read_time(self, cell: object) -> int:
        if isinstance(cell, datetime):
            when = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
            return (when - _EPOCH) // timedelta(microseconds=1) * 1000
        if isinstance(cell, int):
            return cell * self._scale
        text = str(cell)
        if "-" in text[1:] and ":" in text:
            return self._read_time(datetime.fromisoformat(text))
        number = _DECIMAL.match(text)
        if number is None:
            raise ValueError
        # Whole seconds and the rest apart: a float of ns is 256 ns coarse today.
        rest = round(float(f"0.{number['rest'] or 0}") * self._scale)
        return (int(number["whole"]) * self._scale + rest) * (-1 if number["sign"] else 1)
