"""edge-export evaluate: the command."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import shtab
from rich.console import Console

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Alarms, Clear, Raise
from edge_export.bundles.package import read_bundle
from edge_export.data.sources import NAMES, healthy, labelled
from edge_export.evaluation import scoreboard
from edge_export.evaluation.evaluate import evaluate
from edge_export.evaluation.results import Setting
from edge_export.evaluation.vus import BUFFER
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
    usual = Setting()
    command = subparsers.add_parser(
        "evaluate",
        help="honest figures of a bundle beside those of baselines",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = command.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="its folder").complete = shtab.DIRECTORY
    add(
        "--data",
        nargs="+",
        required=True,
        metavar="FILE",
        help=f"healthy time the bundle was trained on: {NAMES}",
    ).complete = shtab.FILE
    add(
        "--test",
        nargs="+",
        metavar="FILE",
        help="what follows it, with a column `label` (0 or 1); public datasets bring their own",
    ).complete = shtab.FILE
    add("--buffer", type=_count, default=BUFFER, metavar="SAMPLES", help="of VUS-PR (default 100)")
    add("--seed", type=int, default=usual.seed, help="of the random score and the forest")
    add(
        "--held-out",
        type=_share,
        default=usual.held_out,
        metavar="SHARE",
        help="last share of training time, which calibrates (default 0.2, as in training)",
    )
    add(
        "--raise-after",
        type=_positive,
        default=usual.alarms.raise_.windows,
        metavar="N",
        help="windows above",
    )
    add(
        "--clear-after",
        type=_positive,
        default=usual.alarms.clear.windows,
        metavar="N",
        help="windows below",
    )
    add("--csv", type=Path, metavar="FILE", help="write a row a figure").complete = shtab.FILE
    add("--json", type=Path, metavar="FILE", help="likewise, with notes").complete = shtab.FILE
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace, _words: Sequence[str]) -> None:
    """Evaluate a bundle as the arguments say, print tables, write files."""
    bundle = read_bundle(arguments.bundle)
    setting = Setting(
        buffer=arguments.buffer,
        seed=arguments.seed,
        held_out=arguments.held_out,
        alarms=Alarms(
            raise_=Raise(windows=arguments.raise_after), clear=Clear(windows=arguments.clear_after)
        ),
    )
    train, test = healthy(arguments.data), labelled(arguments.test or arguments.data)
    found = evaluate(
        bundle,
        load_model(bundle),
        train,
        test,
        setting,
    )
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


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 1")
    return value
