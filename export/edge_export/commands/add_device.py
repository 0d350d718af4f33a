"""edge-export add-device: the command."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import shtab

from edge_anomaly.errors import RecordingError
from edge_export.bundles.add_device import add_device
from edge_export.data.sources import healthy
from edge_export.families.lstm_ae import Config

__all__ = ["register", "run"]

EXAMPLES = """examples:
  edge-export add-device bundles/compressors --data c-09.csv --device c-09 --out bundles/nine
"""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = subparsers.add_parser(
        "add-device",
        help="one more device for a bundle; the others stay bit for bit as they are",
        description="Train one more head on a bundle's encoder; write a new bundle.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="to build on").complete = shtab.DIRECTORY
    add(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help="healthy time of the device: a .csv or .parquet, or a public dataset",
    ).complete = shtab.FILE
    add("--device", required=True, metavar="ID", help="which device of the recordings")
    add(
        "--out", type=Path, required=True, metavar="NEW", help="folder of the new bundle"
    ).complete = shtab.DIRECTORY
    add("--epochs", type=int, default=Config.epochs, help="at most (default %(default)s)")
    add("--seed", type=int, default=Config.seed, help="of weights and order (default %(default)s)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """Add the device that the arguments name."""
    everyone = healthy(arguments.data)
    mine = [recording for recording in everyone if recording.device == arguments.device]
    if not mine:
        there = ", ".join(dict.fromkeys(recording.device for recording in everyone))
        raise RecordingError(f"no recording of {arguments.device}; there are {there}")
    config = replace(Config(), epochs=arguments.epochs, seed=arguments.seed)
    command = shlex.join(["edge-export", *words])
    add_device(arguments.bundle, mine, config, arguments.out, command)
