"""edge-export evaluate: the command."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from edge_anomaly.files.bundle import Bundle
from edge_export.bundles.package import read_bundle
from edge_export.commands import options
from edge_export.data.sources import healthy, labelled
from edge_export.evaluation import scoreboard
from edge_export.evaluation.evaluate import evaluate
from edge_export.evaluation.results import Setting
from edge_export.graphs.verify import load_model

__all__ = ["about", "register", "run"]

EXAMPLES = """examples:
  edge-export evaluate configs/bundles/servers --data asd
  edge-export evaluate bundles/pumps --data healthy.csv --test labelled.csv --json figures.json
"""
DESCRIPTION = """Score labelled recordings with a bundle and, in the same way, with a random score,
an alarm that is always on, the training mean, VAR(1), PCA and an Isolation Forest. The threshold
is the one that the bundle deploys; labels decide nothing but the figures."""
PACKAGES = ("edge-anomaly-agent", "numpy", "numba", "scikit-learn", "onnxruntime")


def register(subparsers: Any) -> None:  # noqa: ANN401 - argparse keeps the class to itself
    """Add the command to `edge-export`."""
    command = options.offer(
        subparsers,
        "evaluate",
        run,
        summary="honest figures of a bundle beside those of baselines",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    options.bundle(command)
    options.data(command)
    options.judged_on(command)
    options.buffer(command)
    options.seed(command)
    options.held_out(command, "which calibrates, as in training")
    options.delays(command)
    options.file(command, "--csv", "write a row a figure")
    options.file(command, "--json", "likewise, with notes")


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Evaluate a bundle as the arguments say, print tables, write files."""
    bundle = read_bundle(arguments.bundle)
    setting = Setting(
        buffer=arguments.buffer,
        seed=arguments.seed,
        held_out=arguments.held_out,
        alarms=options.alarms(arguments),
    )
    train, test = healthy(arguments.data), labelled(arguments.test or arguments.data)
    found = evaluate(bundle, load_model(bundle), train, test, setting)
    basis = about(bundle, setting)
    scoreboard.show(found, basis, Console())
    ground, preset = "+".join(Path(name).stem for name in arguments.data), bundle.manifest.name
    if arguments.csv:
        arguments.csv.write_text(scoreboard.to_csv(found, ground, preset), "utf-8")
    if arguments.json:
        arguments.json.write_text(scoreboard.to_json(found, basis, ground, preset), "utf-8")


def about(bundle: Bundle, setting: Setting) -> dict[str, str]:
    """What decides the figures, by name."""
    manifest, rules = bundle.manifest, setting.alarms
    return {
        "bundle": f"{manifest.name} {manifest.version} ({manifest.family}), {bundle.sha256[:12]}, "
        f"trained with seed {manifest.provenance.seed}",
        "split": f"first {1 - setting.held_out:.0%} of training time to learn from, the rest "
        "to calibrate, no label in either",
        "threshold": f"{manifest.threshold.rule} {manifest.threshold.parameter:g} of "
        f"{manifest.threshold.windows} held-out windows",
        "alarm": f"on after {rules.raise_.windows} windows above {rules.raise_.above:g}, off after "
        f"{rules.clear.windows} below {rules.clear.below:g} of the threshold",
        "buffer": f"{setting.buffer} samples",
        "seed": str(setting.seed),
        "versions": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }
