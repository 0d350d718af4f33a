"""Where datasets lie, and their files read with errors that name them."""

import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Cause, Recording

__all__ = [
    "EPOCH_NS",
    "Halves",
    "arrays",
    "causes",
    "chosen",
    "columns",
    "folder",
    "matrix",
    "place",
    "recording",
    "rising",
    "unpickle",
]

EPOCH_NS = 1_609_459_200 * 10**9  # 2021-01-01T00:00Z: where data without a clock begin

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, pickle.UnpicklingError, pa.ArrowInvalid)


class Halves(NamedTuple):
    """A dataset as it is used: what to learn from, and what to judge by."""

    train: list[Recording]  # healthy time, without labels
    test: list[Recording]  # labelled where the dataset is; follows the training half


def folder(name: str) -> Path:
    """Where the dataset `name` is looked for."""
    return Path(os.environ.get("EDGE_DATA", "../shared/data")) / name


def place(what: str, name: str) -> str:
    """What to do about a missing dataset, for the error's text.

    Args:
        what: To download, and from where.
        name: What the folder must be called.
    """
    return (
        f"download {what} and put it, named `{name}`, into ../shared/data or into the folder "
        "that the environment variable EDGE_DATA names"
    )


def chosen(
    dataset: str, known: Sequence[str], wanted: Sequence[str] | None, missing: str
) -> Sequence[str]:
    """The entities asked for; all by default.

    Args:
        dataset: For the error's text.
        known: All that there are.
        wanted: Some of them.
        missing: What to do when there are none.

    Raises:
        RecordingError: One is not of the dataset, or there are none at all.
    """
    if not known:
        raise RecordingError(f"{folder(dataset)}: nothing there: {missing}")
    strange = [entity for entity in wanted or () if entity not in known]
    if strange:
        raise RecordingError(
            f"{dataset}: no {', '.join(map(repr, strange))}; there are {', '.join(known)}"
        )
    return known if wanted is None else wanted


def recording(path: Path, device: str, rows: dict[str, Any]) -> Recording:
    """A recording out of its fields; what is wrong with them names the file.

    Raises:
        RecordingError: Shapes do not fit or times do not rise.
    """
    try:
        return Recording(device=device, **rows)
    except ValueError as exc:
        raise RecordingError(f"{path}: {exc}") from exc


def arrays(path: Path, names: Iterable[str], missing: str) -> dict[str, NDArray[Any]]:
    """Some arrays of an .npz file.

    Raises:
        RecordingError: The file is not there, is no such file, or lacks one.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {missing}") from exc
    except _UNREADABLE as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc


def columns(
    path: Path,
    names: Sequence[str],
    missing: str,
    *,
    words: Sequence[str] = (),
    delimiter: str = ",",
) -> dict[str, NDArray[Any]]:
    """Some columns of a CSV table, packed with gzip or not.

    Args:
        path: With or without `.gz`: either is found.
        names: Columns of numbers or times; when there are none, all such columns.
        missing: What to do when the file is not there.
        words: Columns of text.
        delimiter: Between cells.

    Returns:
        Times as int64 ns, numbers as float64 with NaN in empty cells, and text as it stands.

    Raises:
        RecordingError: The file is not there, is no table, lacks a column, or a column of
            numbers holds something else.
    """
    packed = path.with_name(path.name + ".gz")
    path = packed if packed.exists() and not path.exists() else path
    try:
        table = pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(delimiter=delimiter))
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {missing}") from exc
    except _UNREADABLE as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc
    there = table.column_names
    for name in (*names, *words):
        if name not in there:
            raise RecordingError(f"{path}: no column {name!r} among {', '.join(there)}")
    found: dict[str, NDArray[Any]] = {
        name: np.asarray(table[name].to_pylist(), np.str_) for name in words
    }
    for name in names or there:
        column = _numbers(path, name, table[name])
        if column is not None:
            found[name] = column
        elif names:
            raise RecordingError(f"{path}: column {name!r} holds neither numbers nor times")
    return found


def _numbers(path: Path, name: str, column: Any) -> NDArray[Any] | None:  # noqa: ANN401 - pyarrow is untyped
    if pa.types.is_timestamp(column.type):
        if column.null_count:
            raise RecordingError(f"{path}: column {name!r} has empty cells")
        return np.asarray(column.cast(pa.timestamp("ns")).cast(pa.int64()), np.int64)
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")), np.float64)
    return None


def matrix(path: Path, missing: str, *, delimiter: str | None = None) -> NDArray[np.float64]:
    """Numbers in rows of equal length, (n, C); packed with gzip or not.

    Raises:
        RecordingError: The file is not there or holds something else.
    """
    packed = path.with_name(path.name + ".gz")
    path = packed if packed.exists() and not path.exists() else path
    try:
        return np.loadtxt(path, np.float64, delimiter=delimiter, ndmin=2)
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {missing}") from exc
    except _UNREADABLE as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc


def rising(t_ns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows in the order of their times, the first of those that share one."""
    _, first = np.unique(t_ns, return_index=True)
    return first


def causes(
    path: Path, signals: Sequence[str], start_ns: int, period_ns: int, missing: str
) -> tuple[Cause, ...]:
    """Lines `760-765:4,5,7`: rows of the test half, both included, and signals from 1.

    Args:
        path: The file, of the data sets' `interpretation_label`.
        signals: In the dataset's order.
        start_ns: Of the test half.
        period_ns: Between its rows.
        missing: What to do when the file is not there.

    Raises:
        RecordingError: The file is not there or something else.
    """
    found = []
    try:
        for line in path.read_text("utf-8").split():
            span, _, blamed = line.partition(":")
            first, last = (int(row) for row in span.split("-"))
            names = tuple(_signal(signals, number) for number in blamed.split(","))
            end_ns = start_ns + (last + 1) * period_ns
            found.append(Cause(start_ns=start_ns + first * period_ns, end_ns=end_ns, signals=names))
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {missing}") from exc
    except (ValueError, IndexError) as exc:
        raise RecordingError(f"{path}: not a list of root causes: {exc}") from exc
    return tuple(found)


def _signal(signals: Sequence[str], number: str) -> str:
    if int(number) < 1:
        raise ValueError(f"signals are counted from 1, not {number}")
    return signals[int(number) - 1]


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


def unpickle(path: Path, missing: str) -> NDArray[Any]:
    """A pickled array, read without running what a pickle may ask for.

    Raises:
        RecordingError: The file is not there or holds something else.
    """
    try:
        with path.open("rb") as file:
            return np.asarray(_Arrays(file).load())
    except FileNotFoundError as exc:
        raise RecordingError(f"{path}: not there: {missing}") from exc
    except _UNREADABLE as exc:
        raise RecordingError(f"{path}: cannot be read: {exc}") from exc
