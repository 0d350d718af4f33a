"""edge-export add-device: the command."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge_anomaly.errors import RecordingError
from edge_export.bundles.add_device import add_device
from edge_export.commands import options
from edge_export.data.sources import NAMES, healthy
from edge_export.families.lstm_ae import Config

__all__ = ["register", "run"]

EXAMPLES = """examples:
  edge-export add-device bundles/compressors --data c-09.csv --device c-09 --out bundles/nine
"""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "add-device",
        run,
        summary="one more device for a bundle; the others stay bit for bit as they are",
        description="Train one more head on a bundle's encoder; write a new bundle.",
        examples=EXAMPLES,
    )
    options.bundle(command, "to build on")
    options.data(command, f"healthy time of the device: {NAMES}")
    command.add_argument(
        "--device", required=True, metavar="ID", help="which device of the recordings"
    )
    options.folder(command, "--out", "folder of the new bundle", metavar="NEW", required=True)
    add = command.add_argument
    add("--epochs", type=options.count, default=Config.epochs, help="at most (default %(default)s)")
    add("--seed", type=int, default=Config.seed, help="of weights and order (default %(default)s)")


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
