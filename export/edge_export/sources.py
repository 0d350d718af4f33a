"""What `--data` may name: a public dataset, or tables."""

from collections.abc import Sequence
from pathlib import Path

from edge_export import asd, tables
from edge_export.recordings import Recording

__all__ = ["healthy"]


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
