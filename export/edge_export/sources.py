"""What `--data` may name: a public dataset, or tables."""

from collections.abc import Sequence
from pathlib import Path

from edge_anomaly.errors import RecordingError
from edge_export import asd, tables
from edge_export.recordings import Recording

__all__ = ["healthy", "labelled"]


def healthy(names: Sequence[str]) -> list[Recording]:
    """Recordings to learn from, of all names, in the order given.

    Args:
        names: `asd` for the training halves of the eight servers, else .csv or .parquet files.

    Raises:
        RecordingError: One cannot be read.
    """
    recordings: list[Recording] = []
    for name in names:
        recordings += asd.load()[0] if name == "asd" else tables.read(Path(name))
    return recordings


def labelled(names: Sequence[str]) -> list[Recording]:
    """Recordings to judge by, of all names, in the order given.

    Args:
        names: `asd` for the test halves of the eight servers, else tables with a label column.

    Raises:
        RecordingError: One cannot be read or has no labels.
    """
    recordings: list[Recording] = []
    for name in names:
        found = asd.load()[1] if name == "asd" else tables.read(Path(name))
        if any(recording.labels is None for recording in found):
            raise RecordingError(f"{name}: no column `label`, so that there is nothing to judge by")
        recordings += found
    return recordings
