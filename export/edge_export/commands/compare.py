"""edge-export compare: the command."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shtab
from rich import box
from rich.console import Console
from rich.table import Table

from edge_anomaly.errors import ConfigError
from edge_export.bundles.package import read_bundle
from edge_export.commands import options
from edge_export.data.sources import NAMES, healthy, labelled
from edge_export.evaluation.compare import Comparison, compare
from edge_export.evaluation.results import Setting
from edge_export.evaluation.scoreboard import COLUMNS, ROOT_CAUSE, legible
from edge_export.graphs.verify import load_model

__all__ = ["register", "run", "show"]

EXAMPLES = """examples:
  edge-export compare bundles/lstm bundles/pca --data asd
  edge-export compare bundles/* --data healthy.csv --test labelled.csv
"""
DESCRIPTION = """Judge bundles on the same labelled recordings. Every figure is the mean over
devices, and beside the first bundle stands by how much it is ahead, paired by device, with the
standard error of that difference: a difference below two of them may well be chance."""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "compare",
        run,
        summary="bundles beside each other, paired by device",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    command.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="two or more; the first is the rule"
    ).complete = shtab.DIRECTORY  # type: ignore[attr-defined] # shtab looks for it there
    options.data(command, f"healthy time: {NAMES}")
    options.judged_on(command)
    options.buffer(command)


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Compare and print.

    Raises:
        ConfigError: There is only one bundle.
    """
    folders: list[Path] = arguments.bundles
    if len({folder.resolve() for folder in folders}) < 2:  # noqa: PLR2004 - a comparison takes two
        raise ConfigError("compare: give at least two different bundles")
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):  # told apart by their places, then
        names = [str(folder) for folder in folders]
    bundles = {}
    for name, folder in zip(names, folders, strict=True):
        bundle = read_bundle(folder)
        bundles[name] = (bundle, load_model(bundle))
    train, test = healthy(arguments.data), labelled(arguments.test or arguments.data)
    show(compare(bundles, train, test, Setting(buffer=arguments.buffer)), arguments.buffer)


def show(found: Comparison, buffer: int, console: Console | None = None) -> None:
    """Print a row a figure: its mean for every bundle, and what the first is ahead by."""
    console = legible(console or Console())
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, show_edge=False)
    first, *others = found.names
    table.add_column(f"mean of {len(found.devices)} devices", no_wrap=True)
    for name in found.names:
        table.add_column(name, justify="right", overflow="fold")
    for name in others:
        table.add_column(f"{first} - {name}", justify="right", overflow="fold")
    for metric, (heading, how) in {**COLUMNS, **ROOT_CAUSE}.items():
        unit = 60.0 if metric == "delay_s" else 1.0  # s -> min
        means = [found.mean(name, metric) / unit for name in found.names]
        if not any(math.isfinite(mean) for mean in means):
            continue
        cells = [format(mean, how) if math.isfinite(mean) else "-" for mean in means]
        for name in others:
            gap = found.difference(first, name, metric)
            text = f"{gap.mean / unit:+.3f} ± {gap.error / unit:.3f}, {gap.wins}/{gap.devices}"
            cells.append(f"[bold]{text}[/bold]" if gap.certain else text)
        table.add_row(heading.format(buffer=buffer), *cells)
    console.print(table)
    console.print(
        "\n± standard error of the paired difference; n/m: ahead on n of m devices. "
        "Bold: more than two standard errors from nothing.",
        highlight=False,
        soft_wrap=True,
    )
