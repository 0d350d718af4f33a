"""edge-export csv: a public dataset as the tables that `edge-agent replay` and `feed` read."""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_anomaly.errors import ConfigError
from edge_export.commands import options
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.data.recordings import Recording
from edge_export.data.sources import public

__all__ = ["register", "run"]

EXAMPLES = """examples:
  edge-export csv --data asd --half test --out recordings/
  edge-agent replay --config configs/servers.yaml recordings/omi-*.csv
"""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "csv",
        run,
        summary="write a public dataset as tables, one a device",
        description="Write a public dataset as CSV tables: time, then a column a signal.",
        examples=EXAMPLES,
    )
    command.add_argument(
        "--data",
        required=True,
        metavar="DATASET",
        help=f"which dataset, or some of it: `smd:machine-2-8`; there are {', '.join(DATASETS)}",
    )
    command.add_argument("--half", choices=["train", "test"], default="test")
    options.folder(command, "--out", "where to put them", required=True)


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Write the tables.

    Raises:
        ConfigError: There is no such dataset.
        RecordingError: It cannot be read.
    """
    halves = public(arguments.data)
    if halves is None:
        raise ConfigError(f"--data: no dataset {arguments.data!r}; there are {', '.join(DATASETS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for recording in halves.train if arguments.half == "train" else halves.test:
        path = arguments.out / f"{recording.device}.csv"
        _write(recording, path)
        sys.stderr.write(f"{path}: {recording.t_ns.size} rows\n")


def _write(recording: Recording, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["time", *recording.signals])
        for t_ns, values in zip(recording.t_ns.tolist(), recording.values.tolist(), strict=True):
            rows.writerow([t_ns // 10**9, *(f"{value:.9g}" for value in values)])
