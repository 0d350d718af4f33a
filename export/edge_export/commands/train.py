"""edge-export train: the command."""

import argparse
import shlex
from collections.abc import Sequence
from typing import Any

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.manifest import RULES
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import BUDGET, MEAN_STD, TAIL, Rule
from edge_export.commands import options
from edge_export.data.sources import NAMES, healthy
from edge_export.families import FAMILIES, find
from edge_export.families.settings import settings
from edge_export.report.attach import attach

__all__ = ["register", "run"]

EXAMPLES = """examples:
  edge-export train --data asd --out configs/bundles/servers --no-torchscript
  edge-export train --data healthy.csv --out bundles/compressors --preset small --period 1
  edge-export train --family pca --data healthy.csv --out bundles/pca --set explained=0.95
  edge-export train --family usad --data steel --out bundles/steel --network
  edge-export train --family gevae+pca --data asd --out bundles/both --threshold drift
"""
# What a rule's parameter is where none is given: deviations as commonly published, an alarm in
# ten days, one window in a thousand; of the others the quantile that `Rule` explains.
USUAL = {MEAN_STD: 2.0, BUDGET: 0.1, TAIL: 1e-3}


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "train",
        run,
        summary="recordings to a verified bundle",
        description="Train on healthy recordings, calibrate, export, verify, write a bundle.",
        examples=EXAMPLES,
    )
    add = command.add_argument
    add(
        "--family",
        default="lstm-ae",
        help=f"kind of model: {', '.join(sorted(FAMILIES))}, or several joined by + (default "
        "lstm-ae)",
    )
    options.data(command, f"healthy time: {NAMES}")
    options.file(
        command,
        "--inputs",
        "plant.yaml whose inputs read the recorded messages of .ndjson files: lines of JSON "
        "with topic, payload and time, as `mosquitto_sub -F %%j` prints them",
    )
    options.folder(
        command,
        "--out",
        "folder to write; an older bundle there is replaced",
        metavar="BUNDLE",
        required=True,
    )
    add("--name", help="the bundle's name; by default the folder's")
    add("--model-version", default="1", metavar="VERSION", help="the bundle's version (default 1)")
    add("--preset", default="default", help="settings to start from: default, paper, ...")
    options.file(command, "--config", "YAML of settings that differ from the preset")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting that differs; may be repeated",
    )
    add("--window", type=options.count, metavar="SLOTS", help="slots the model looks at")
    add("--epochs", type=options.count, help="at most so many passes")
    add("--seed", type=int, help="of weights and order (default 0); a run repeats exactly")
    add("--threads", type=options.count, help="of torch (default 1)")
    add(
        "--resume",
        action="store_true",
        help="keep a checkpoint beside BUNDLE while training, and go on from it where there is one",
    )
    add("--device", choices=["cpu", "cuda"], default="cpu", help="where to train (default cpu)")
    add(
        "--period",
        type=options.amount,
        metavar="SECONDS",
        help="length of a slot; default: the usual step",
    )
    add(
        "--hop",
        type=options.count,
        metavar="SLOTS",
        help="from window to window (default: the family's)",
    )
    add(
        "--smooth",
        type=options.amount,
        default=12.0,
        metavar="MINUTES",
        help="time constant of the score's average (default 12)",
    )
    add(
        "--threshold",
        choices=RULES,
        help="rule on healthy scores (default: the family's; of servers drift, of usad budget)",
    )
    add(
        "--parameter",
        type=float,
        help="the quantile (default 0.995), number of deviations (2), alarms a day (0.1; of usad "
        "0.05) or risk (0.001)",
    )
    add(
        "--network",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="usad: add an autoencoder to the tables and forests, or leave it out",
    )
    add(
        "--utc-offset",
        type=int,
        default=0,
        metavar="MINUTES",
        help="local time minus UTC, for what goes by the hour (default 0)",
    )
    add("--no-torchscript", action="store_true", help="leave the TorchScript file out")
    add("--no-report", action="store_true", help="leave report.html out of the bundle")


def run(arguments: argparse.Namespace, words: Sequence[str]) -> None:
    """Train a bundle as the arguments say."""
    family = find(arguments.family)
    given = {
        name: getattr(arguments, name)
        for name in ("window", "epochs", "seed", "threads", "network")
        if getattr(arguments, name) is not None
    }
    config = settings(family, arguments.preset, arguments.config, given, arguments.set)
    plan = Plan(
        name=arguments.name or arguments.out.name,
        version=arguments.model_version,
        period_ns=None if arguments.period is None else round(arguments.period * 1e9),
        hop=arguments.hop,
        smooth_minutes=arguments.smooth,
        rule=_rule(arguments.threshold, arguments.parameter, family.rule),
        utc_offset_minutes=arguments.utc_offset,
        torchscript=not arguments.no_torchscript,
        device=arguments.device,
        resumable=arguments.resume,
        command=shlex.join(["edge-export", *words]),
    )
    recordings = healthy(arguments.data, arguments.inputs)
    train_bundle(family, recordings, config, arguments.out, plan)
    if not arguments.no_report:
        attach(arguments.out, recordings, config.held_out)


def _rule(name: str | None, parameter: float | None, usual: Rule) -> Rule:
    """The rule asked for; the family's where none is, or where no parameter is given for it."""
    if name is None or name == usual.name:
        name, number = usual.name, usual.parameter
    else:
        number = USUAL.get(name, Rule().parameter)
    try:
        return Rule(name, number if parameter is None else parameter)
    except ValueError as exc:
        raise ConfigError(f"--parameter: {exc}") from exc
