"""edge-export calibrate: the command."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.manifest import RULES
from edge_export.bundles.package import read_bundle
from edge_export.calibration.rules import BUDGET, DRIFT, MEAN_STD, TAIL, Rule
from edge_export.commands import options
from edge_export.data.sources import NAMES, healthy
from edge_export.evaluation.scoreboard import legible
from edge_export.graphs.verify import load_model
from edge_export.recalibration.recalibrate import (
    Finding,
    Recalibrated,
    held_out,
    overlap,
    recalibrate,
    save,
)
from edge_export.recalibration.verdicts import read_verdicts

__all__ = ["register", "run", "show"]

EXAMPLES = """examples:
  edge-export calibrate bundles/pumps --data last-month.csv --rule budget --parameter 0.1
  edge-export calibrate bundles/pumps --data last-month.csv --labels verdicts.csv --out bundles/p2
  edge-export calibrate bundles/servers --data asd --rule drift

verdicts.csv has the columns device, start, end, verdict (true or false).
"""
DESCRIPTION = """Set a bundle's thresholds anew, without training: by another rule, on newer healthy
time, or by what operators said about a few alarms. Says how many false alarms a day to expect, with
the interval that so much healthy time allows, and refuses when there is too little to say."""
USUAL = {MEAN_STD: 3.0, BUDGET: 0.1, TAIL: 1e-3}  # parameter where it is not a quantile


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    own = Rule()
    command = options.offer(
        subparsers,
        "calibrate",
        run,
        summary="a bundle's thresholds by another rule, newer time or verdicts",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    options.bundle(command)
    options.data(
        command,
        "healthy time that the model did not learn from; of what it was trained on, the "
        f"held-out rest is taken. {NAMES}",
    )
    add = command.add_argument
    add("--rule", choices=RULES, help="of the thresholds; default: the bundle's own")
    add(
        "--parameter",
        type=float,
        help="the quantile (quantile, hour-of-week, drift), deviations (mean-std), alarms a day "
        "(budget) or risk of a window (tail)",
    )
    add("--factor", type=float, default=own.factor, help="drift: times the median (default 3)")
    add(
        "--minutes",
        type=float,
        default=own.minutes,
        help="drift: how far back the median looks (default a day)",
    )
    options.file(command, "--labels", "operators' verdicts on events")
    add(
        "--held-out",
        type=options.share,
        metavar="SHARE",
        help="last share of training time, where that is all there is and the bundle does not "
        "say what was held out",
    )
    options.delays(command)
    options.folder(command, "--out", "default: the bundle itself", metavar="BUNDLE")


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Calibrate, print what to expect, write."""
    bundle = read_bundle(arguments.bundle)
    rule = _rule(arguments, Rule.of(bundle.manifest.threshold))
    verdicts = read_verdicts(arguments.labels) if arguments.labels else []
    recordings, part = held_out(bundle, healthy(arguments.data), arguments.held_out)
    model = load_model(bundle)
    alarms = options.alarms(arguments)
    found = recalibrate(bundle, model, recordings, rule, verdicts, alarms, own=part)
    if not part:
        sys.stderr.write("taken as time that the model did not learn from: all of it\n")
        known = overlap(bundle, recordings)
        if known:
            sys.stderr.write(
                f"warning: the recordings of {', '.join(known)} reach into the bundle's own "
                "training time, of which scores are too low: begin them behind it\n"
            )
    show(found, Console())
    out = arguments.out or arguments.bundle
    save(bundle, model, found, arguments.bundle, out)
    sys.stderr.write(f"{out}: written\n")


def show(found: Recalibrated, console: Console) -> None:
    """Print a row a device, and all of them together."""
    console = legible(console)
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, show_edge=False)
    table.add_column("device", no_wrap=True)
    for heading in ("days", "threshold before", "after", "false alarms a day", "95 % interval"):
        table.add_column(heading, justify="right")
    judged = any(f.confirmed or f.false for f in found.findings)
    if judged:
        for heading in ("moved by verdicts", "confirmed told", "false repeated"):
            table.add_column(heading, justify="right")
    for finding in found.findings:
        table.add_row(*_cells(finding, judged=judged))
    console.print(table)
    rule = found.manifest.threshold
    console.print(
        f"\nrule {rule.rule} {rule.parameter:g}; expect {found.expected} per device, with "
        "thresholds of one half of this time counted on the other",
        highlight=False,
        soft_wrap=True,
    )


def _cells(finding: Finding, *, judged: bool) -> list[str]:
    expected = finding.expected
    cells = [
        finding.device,
        f"{expected.days:.1f}",
        f"{finding.before:.4g}",
        f"{finding.after:.4g}",
        f"{expected.a_day:.2f}",
        f"{expected.low:.2f} to {expected.high:.2f}",
    ]
    if judged:
        cells += [
            f"x {finding.factor:.3g}",
            f"{finding.told} of {finding.confirmed}",
            f"{finding.repeated} of {finding.false}",
        ]
    return cells


def _rule(arguments: argparse.Namespace, own: Rule) -> Rule:
    name = arguments.rule or own.name
    usual = own.parameter if name == own.name else USUAL.get(name, Rule().parameter)
    parameter = usual if arguments.parameter is None else arguments.parameter
    try:
        if name != DRIFT:
            return Rule(name, parameter)
        return Rule(name, parameter, factor=arguments.factor, minutes=arguments.minutes)
    except ValueError as exc:
        raise ConfigError(f"--parameter: {exc}") from exc
