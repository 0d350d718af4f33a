"""What `--data` may name: a public dataset, some of its entities, or tables."""

from collections.abc import Sequence
from pathlib import Path

from edge_anomaly.errors import RecordingError
from edge_export.data import messages, tables
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording

__all__ = ["NAMES", "healthy", "labelled", "public", "recorded"]

MESSAGES = (".ndjson", ".jsonl")  # a message a line
NAMES = (
    ".csv or .parquet (a time column, perhaps `device`, the rest signals), .ndjson (recorded "
    "messages, see --inputs), or a public dataset "
    f"in the folder that EDGE_DATA names ({', '.join(DATASETS)}), all of it or some: "
    "`smd:machine-2-8,machine-3-4`"
)


def public(name: str) -> Halves | None:
    """Both halves of a public dataset, or None when `name` is not one.

    Raises:
        RecordingError: It cannot be read; says what to download when it is missing.
    """
    dataset, _, entities = name.partition(":")
    if dataset not in DATASETS:
        return None
    return DATASETS[dataset].load(None, entities.split(",") if entities else None)


def healthy(names: Sequence[str], inputs: Path | None = None) -> list[Recording]:
    """Recordings to learn from, of all names, in the order given.

    Args:
        names: Public datasets (their training halves), .csv or .parquet files, and .ndjson files
            of recorded messages.
        inputs: The plant.yaml whose inputs read those messages.

    Raises:
        RecordingError: One cannot be read.
        ConfigError: There are messages, and no inputs to read them by.
    """
    recordings: list[Recording] = []
    for name in names:
        halves = public(name)
        if halves is not None:
            recordings += halves.train
        elif Path(name).suffix in MESSAGES:
            recordings += messages.read(Path(name), inputs)
        else:
            recordings += tables.read(Path(name))
    return recordings


def labelled(names: Sequence[str]) -> list[Recording]:
    """Recordings to judge by, of all names, in the order given.

    Args:
        names: Public datasets (their test halves) and tables with a label column.

    Raises:
        RecordingError: One cannot be read or has no labels.
    """
    recordings: list[Recording] = []
    for name in names:
        halves = public(name)
        found = tables.read(Path(name)) if halves is None else halves.test
        if any(recording.labels is None for recording in found):
            raise RecordingError(f"{name}: no labels, so that there is nothing to judge by")
        recordings += found
    return recordings


def recorded(names: Sequence[str]) -> list[Recording]:
    """What followed the time to learn from, labelled or not.

    Args:
        names: Public datasets (their test halves) and tables.

    Raises:
        RecordingError: One cannot be read.
    """
    recordings: list[Recording] = []
    for name in names:
        halves = public(name)
        recordings += tables.read(Path(name)) if halves is None else halves.test
    return recordings
