"""edge-export report: the command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_export.bundles.package import read_bundle
from edge_export.commands import options
from edge_export.data.sources import healthy, recorded
from edge_export.evaluation.results import Setting
from edge_export.graphs.verify import load_model
from edge_export.report.gather import gather, read_curves
from edge_export.report.page import render

__all__ = ["register", "run"]

EXAMPLES = """examples:
  edge-export report configs/bundles/servers --data asd --out report.html
  edge-export report bundles/pumps --data healthy.csv --test last-month.csv --out report.html
"""
DESCRIPTION = """Write one HTML file that needs nothing else: how the model learnt, what its score
did over time, which alarms there were and whom they blame, how it compares with simple rivals, and
in plain words what to expect of it and what not."""


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "report",
        run,
        summary="one HTML file about a bundle",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    options.bundle(command)
    options.data(command)
    options.judged_on(
        command,
        "what follows it, with or without a column `label`; public datasets bring their own",
    )
    options.seed(command)
    options.file(command, "--out", "default: report.html")


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Write the report."""
    bundle = read_bundle(arguments.bundle)
    found = gather(
        bundle,
        load_model(bundle),
        healthy(arguments.data),
        recorded(arguments.test or arguments.data),
        Setting(seed=arguments.seed),
        read_curves(arguments.bundle),
    )
    out = arguments.out or Path("report.html")
    out.write_text(render(found), "utf-8")
    sys.stderr.write(f"{out}: {out.stat().st_size / 1e6:.1f} MB\n")
