"""How well the shipped bundle does on the eight servers: bench/results/servers.md.

    python bench/servers_accuracy.py

Needs the Application Server Dataset; says where to get it when it is missing. The same
figures, device by device and with all of them, come from

    edge-export evaluate configs/bundles/servers --data asd
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from machine import cpu, made, written

from edge_anomaly.errors import AgentError
from edge_export.bundles.package import read_bundle
from edge_export.commands.evaluate import about
from edge_export.data.datasets import asd
from edge_export.evaluation import scoreboard
from edge_export.evaluation.evaluate import evaluate
from edge_export.evaluation.metrics import EPISODE_GAP
from edge_export.evaluation.results import Evaluation, Setting
from edge_export.graphs.verify import load_model

ROOT = Path(__file__).parents[1]
INTRODUCTION = """\
# Accuracy on eight application servers

Made by `python bench/servers_accuracy.py` from the test halves of the Application Server
Dataset (Li et al., InterFusion, KDD 2021): 15 days a server, 19 signals, 5 minutes. Every
detector learns from the first 80 % of the training half and is calibrated on the rest; no label
enters a model, a scaler or a threshold. The quantile of the thresholds and the learning rate
were chosen by held-out alarm rate and loss, yet with earlier figures of this table in sight:
take the comparison with the other rows, not the level, as the finding. All but the Isolation
Forest, random and always go through the same score recipe, so that a row differs from another
by its model alone."""
READING = """\
* AP and VUS-PR need no threshold. VUS-PR grows with its buffer, which stands in the heading.
* Event recall, precision, false alarms a day, delay and alarm rate are those of the alarms that
  the agent would have published at the bundle's own threshold. Recall counts events, precision
  samples, event F1 is their harmonic mean; `always` shows what counting alone can give.
* Best F1 chooses its threshold by the labels, which no plant has. Point-adjusted F1 is printed
  because papers print it: see what `random` gets.
* Root cause: the signals ranked by their mean deviation within a labelled event, against those
  that the dataset's authors blamed, on average more than half of them."""
POINTWISE_TITLE = f"""\
At the same threshold sample by sample, without the alarm rule; alarms fewer than {EPISODE_GAP}
samples apart are taken as one:"""
POINTWISE = {
    f"pointwise_{metric}": column
    for metric, column in scoreboard.COLUMNS.items()
    if metric in {"recall", "precision", "event_f1", "false_alarms_per_day", "alarm_rate"}
}
BY_DEVICE = ("ap", "vus_pr", "event_f1")


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate and write the table; 2 with one line on stderr when it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--bundle", type=Path, default=ROOT / "configs" / "bundles" / "servers")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "servers.md")
    arguments = parser.parse_args(argv)
    try:
        bundle = read_bundle(arguments.bundle)
        train, test = asd.load()
        model = load_model(bundle)
        found = evaluate(bundle, model, train, test, Setting())
    except AgentError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    basis = about(bundle, found.setting) | {"made": f"{cpu()}; {made()}"}
    written(report(found, basis), arguments.out)
    return 0


def report(found: Evaluation, basis: dict[str, str]) -> str:
    """The tables with what they rest on, as Markdown."""
    mean = scoreboard.markdown(found, "mean", scoreboard.COLUMNS)
    parts = [
        INTRODUCTION,
        f"Mean of {len(found.devices)} servers, ± standard error over them:",
        mean.rstrip(),
        READING,
        POINTWISE_TITLE,
        scoreboard.markdown(found, "mean", POINTWISE).rstrip(),
        "Root cause, mean over events, then servers; `random` is what chance gives:",
        scoreboard.markdown(found, "mean", scoreboard.ROOT_CAUSE).rstrip(),
        *(_by_device(found, metric) for metric in BY_DEVICE),
        "What to be wary of:",
        "\n".join(f"* {warning}" for warning in found.warnings),
        "What the figures rest on:",
        "\n".join(f"* {name}: {value}" for name, value in basis.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _by_device(found: Evaluation, metric: str) -> str:
    """A row a server, a column a detector."""
    heading, how = scoreboard.COLUMNS[metric]
    names = [name for name in found.detectors if name not in {"random", "always"}]
    lines = [
        "| " + " | ".join([heading.format(buffer=found.setting.buffer), "events", *names]) + " |",
        "|---" + "|---:" * (len(names) + 1) + "|",
    ]
    for device in found.devices:
        cells = [format(found.figures[device, name][metric], how) for name in names]
        events = f"{found.figures[device, 'always']['events']:g}"
        lines.append("| " + " | ".join([device, events, *cells]) + " |")
    return "\n".join(lines)


class _Raw(argparse.RawDescriptionHelpFormatter):
    """Leaves the docstring's lines as they are."""


if __name__ == "__main__":
    sys.exit(main())
