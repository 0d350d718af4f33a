"""`edge-agent bundle`: what is in a bundle, and whether it can be trusted."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.files.bundle import ONNX, Branch, Manifest, Stage

__all__ = ["register"]


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `bundle inspect` and `bundle verify` to the command line."""
    parser = subparsers.add_parser("bundle", help="look into a model bundle, or verify it")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for verb, does, run in (
        ("inspect", "print what the bundle says of itself", _inspect),
        ("verify", "check digests and let every graph answer its golden inputs", _verify),
    ):
        command = verbs.add_parser(verb, help=does)
        command.add_argument("bundle", type=Path, metavar="DIR")
        command.set_defaults(run=run)


def _inspect(args: argparse.Namespace) -> int:
    bundle = read_bundle(args.bundle)
    manifest = bundle.manifest
    table = Table(show_header=False, box=None)
    rows = {
        "name": f"{manifest.name} {manifest.version}",
        "family": manifest.family,
        "sha256": bundle.sha256,
        "devices": ", ".join(manifest.devices),
        "signals": ", ".join(f"{s.name} {s.unit}".strip() for s in manifest.signals),
        "period": f"{manifest.period_ns / 1e9:g} s",
        "window": f"{bundle.window} readings a signal",
        "branches": "; ".join(_branch(branch) for branch in manifest.branches),
        "recipe": _stages(manifest.recipe),
        "threshold": f"{manifest.threshold.rule} {manifest.threshold.parameter:g}",
        "graphs": ", ".join(bundle.graphs) or "none",
        "created": f"{manifest.provenance.created} by {manifest.provenance.command}",
    }
    for key, value in rows.items():
        table.add_row(key, value)
    for key, number in manifest.provenance.metrics.items():
        table.add_row(key, f"{number:g}")
    Console().print(table)
    return 0


def _verify(args: argparse.Namespace) -> int:
    bundle = read_bundle(args.bundle)
    for runtime in _runtimes(bundle.manifest):
        model = load_model(bundle, args.bundle, runtime)
        Console(highlight=False).print(f"{runtime}: golden answers match, on {model.provider}")
    return 0


def _branch(branch: Branch) -> str:
    stages = f": {_stages(branch.recipe)}" if branch.recipe else ""
    return f"{branch.name} ({branch.window} slots, every {branch.hop}){stages}"


def _stages(recipe: Sequence[Stage]) -> str:
    return ", ".join(stage.stage for stage in recipe)


def _runtimes(manifest: Manifest) -> list[str]:
    """What the bundle has graphs for; a bundle without any runs anywhere."""
    named = [runtime for branch in manifest.branches for runtime in branch.graphs]
    return list(dict.fromkeys(named)) or [ONNX]
