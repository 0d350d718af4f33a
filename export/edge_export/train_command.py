"""edge-export train: the command."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import shtab

from edge_anomaly.errors import ConfigError
from edge_export.calibrate import MEAN_STD, QUANTILE, Rule
from edge_export.families.lstm_ae import Config
from edge_export.sources import NAMES, healthy
from edge_export.train import Plan, train_bundle

__all__ = ["PRESETS", "register", "run"]

PRESETS = {
    "published": Config(),  # the compressor-aware autoencoder's sizes
    "small": Config(outer=32, inner=16, latent=8),  # a quarter of the size, for few signals
}
EXAMPLES = """examples:
  edge-export train --data asd --out configs/bundles/servers --no-torchscript
  edge-export train --data healthy.csv --out bundles/compressors --preset small --period 1
"""
DEVIATIONS = 2.0  # of the rule mean-std, as commonly published


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = subparsers.add_parser(
        "train",
        help="recordings to a verified bundle",
        description="Train on healthy recordings, calibrate, export, verify, write a bundle.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("--family", choices=["lstm-ae"], default="lstm-ae", help="kind of model")
    data = add(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help=f"healthy time: {NAMES}",
    )
    data.complete = shtab.FILE
    add(
        "--out",
        type=Path,
        required=True,
        metavar="BUNDLE",
        help="folder to write; an older bundle there is replaced",
    ).complete = shtab.DIRECTORY
    add("--name", help="the bundle's name; by default the folder's")
    add("--model-version", default="1", metavar="VERSION", help="the bundle's version (default 1)")
    add("--preset", choices=sorted(PRESETS), default="published", help="sizes of the layers")
    add("--window", type=_count, metavar="SLOTS", help="slots the model looks at (default 30)")
    add("--epochs", type=_count, help="at most so many passes (default 8)")
    add("--seed", type=int, default=0, help="of weights and order; a run repeats exactly")
    add("--threads", type=_count, default=1, help="of torch (default 1)")
    add(
        "--period",
        type=_amount,
        metavar="SECONDS",
        help="length of a slot; default: the usual step",
    )
    add("--hop", type=_count, default=1, metavar="SLOTS", help="from window to window (default 1)")
    add(
        "--smooth",
        type=_amount,
        default=12.0,
        metavar="MINUTES",
        help="time constant of the score's average (default 12)",
    )
    add(
        "--threshold",
        choices=[QUANTILE, MEAN_STD],
        default=QUANTILE,
        help="rule on held-out healthy scores (default quantile)",
    )
    add(
        "--parameter",
        type=float,
        help="the quantile (default 0.995) or the number of deviations (default 2)",
    )
    add("--no-torchscript", action="store_true", help="leave the TorchScript file out")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """Train a bundle as the arguments say."""
    given = {
        name: getattr(arguments, name)
        for name in ("window", "epochs", "seed", "threads")
        if getattr(arguments, name) is not None
    }
    plan = Plan(
        name=arguments.name or arguments.out.name,
        version=arguments.model_version,
        period_ns=None if arguments.period is None else round(arguments.period * 1e9),
        hop=arguments.hop,
        smooth_minutes=arguments.smooth,
        rule=_rule(arguments.threshold, arguments.parameter),
        torchscript=not arguments.no_torchscript,
        command=shlex.join(["edge-export", *words]),
    )
    config = replace(PRESETS[arguments.preset], **given)
    train_bundle(healthy(arguments.data), config, arguments.out, plan)


def _rule(name: str, parameter: float | None) -> Rule:
    usual = DEVIATIONS if name == MEAN_STD else Rule().parameter
    try:
        return Rule(name, usual if parameter is None else parameter)
    except ValueError as exc:
        raise ConfigError(f"--parameter: {exc}") from exc


def _count(text: str) -> int:
    """A whole number of at least one, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _amount(text: str) -> float:
    """A number above zero, for argparse."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number
