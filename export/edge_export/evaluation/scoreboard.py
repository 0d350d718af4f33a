"""An evaluation for people (tables) and for programs (rows of one figure each)."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from edge_export.evaluation.results import Evaluation

__all__ = [
    "COLUMNS",
    "MEAN",
    "ROOT_CAUSE",
    "cells",
    "legible",
    "markdown",
    "rows",
    "show",
    "to_csv",
    "to_json",
]

Columns = Mapping[str, tuple[str, str]]  # metric: heading, how to write it

COLUMNS: Columns = {
    "ap": ("AP", ".3f"),
    "vus_pr": ("VUS-PR({buffer})", ".3f"),
    "recall": ("event recall", ".2f"),
    "precision": ("precision", ".2f"),
    "event_f1": ("event F1", ".2f"),
    "false_alarms_per_day": ("false/day", ".2f"),
    "delay_s": ("delay min", ".0f"),
    "alarm_rate": ("alarm rate", ".3f"),
    "best_f1": ("best F1 (oracle)", ".2f"),
    "pa_f1": ("PA F1 (legacy)", ".2f"),
}
ROOT_CAUSE: Columns = {
    "hit_top1": ("top 1", ".2f"),
    "hit_top3": ("top 3", ".2f"),
    "hit_100": ("HitRate@100", ".2f"),
    "hit_150": ("HitRate@150", ".2f"),
}
MEAN = "mean"
SPREAD = {"ap", "vus_pr"}  # shown with their standard error
WIDE = 140  # characters that a table takes with headings on one line
PLAIN_WIDTH = 200  # a file or pipe has no width; nothing is to be cut


def show(found: Evaluation, about: Mapping[str, str], console: Console) -> None:
    """Print a table a device, the mean, root causes, and what to be wary of.

    Args:
        found: What to show.
        about: What decides the figures, by name.
        console: On a terminal with lines and colour, elsewhere plain.
    """
    console = legible(console)
    for name, value in about.items():
        console.print(f"[bold]{name}[/bold]: {value}", highlight=False, soft_wrap=True)
    for device in found.devices:
        events = found.figures[device, "always"]["events"]
        _print(found, device, COLUMNS, f"{device}, {events:g} events", console)
    n = len(found.devices)
    error = ", ± standard error over them" if console.width >= WIDE else ""
    _print(found, MEAN, COLUMNS, f"mean of {n} devices{error}", console)
    if any(key in figures for figures in found.figures.values() for key in ROOT_CAUSE):
        title = "root cause, mean over events, then devices; random is what chance gives"
        _print(found, MEAN, ROOT_CAUSE, title, console)
    for warning in found.warnings:
        console.print(f"[yellow]note[/yellow]: {warning}", highlight=False, soft_wrap=True)


def legible(console: Console) -> Console:
    """A terminal as it is; for a file or pipe, one without colour and as wide as tables are."""
    if console.is_terminal:
        return console
    return Console(file=console.file, width=PLAIN_WIDTH, color_system=None)


def rows(found: Evaluation, ground: str, preset: str) -> Iterator[dict[str, Any]]:
    """One row a figure: ground, entity, family, preset, seed, metric, value."""
    for (device, detector), figures in found.figures.items():
        for metric, value in figures.items():
            yield {
                "ground": ground,
                "entity": device,
                "family": detector,
                "preset": preset,
                "seed": found.setting.seed,
                "metric": metric,
                "value": value if math.isfinite(value) else None,
            }


def to_csv(found: Evaluation, ground: str, preset: str) -> str:
    """The rows as CSV with a header; an undefined figure is empty."""
    out = io.StringIO()
    table = list(rows(found, ground, preset))
    writer = csv.DictWriter(out, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def to_json(found: Evaluation, about: Mapping[str, str], ground: str, preset: str) -> str:
    """The rows with what they rest on and the notes; an undefined figure is null."""
    whole = {
        "about": dict(about),
        "notes": list(found.warnings),
        "rows": list(rows(found, ground, preset)),
    }
    return json.dumps(whole, indent=1, allow_nan=False) + "\n"


def cells(
    found: Evaluation, device: str, columns: Columns
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Headings, and each detector's name with its cells; `device` may be `mean`."""
    heads = ["detector", *(_heading(found, metric, columns) for metric in columns)]
    return heads, list(_cells(found, device, columns, spread=True))


def markdown(found: Evaluation, device: str, columns: Columns) -> str:
    """One table in Markdown; `device` may be `mean`."""
    heads, table = cells(found, device, columns)
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(columns) + "|"]
    lines += ["| " + " | ".join([name, *row]) + " |" for name, row in table]
    return "\n".join(lines) + "\n"


def _print(found: Evaluation, device: str, columns: Columns, title: str, console: Console) -> None:
    wide = console.width >= WIDE
    table = Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1) if wide else 0,
    )
    table.add_column("detector", no_wrap=True)
    for metric in columns:
        heading = _heading(found, metric, columns)
        if not wide:
            heading = heading.replace("(", " (").replace("/", " /")
            heading = "\n".join(heading.split())
        table.add_column(heading, justify="right", no_wrap=True)
    for name, cells in _cells(found, device, columns, spread=wide):
        table.add_row(name, *cells, style="bold" if name == found.family else None)
    console.print(f"\n[bold]{title}[/bold]", highlight=False, soft_wrap=True)
    console.print(table)


def _heading(found: Evaluation, metric: str, columns: Columns) -> str:
    return columns[metric][0].format(buffer=found.setting.buffer)


def _cells(
    found: Evaluation, device: str, columns: Columns, *, spread: bool
) -> Iterator[tuple[str, list[str]]]:
    """Each detector's row; `spread` adds the standard error to a mean over devices."""
    for name in found.detectors:
        cells = []
        for metric, (_, how) in columns.items():
            value = (
                found.mean(name, metric)
                if device == MEAN
                else found.figures[device, name].get(metric, math.nan)
            )
            text = _number(value / _unit(metric), how)
            values = found.values(name, metric)
            if spread and device == MEAN and metric in SPREAD and values[1:]:
                text += f" ±{np.std(values, ddof=1) / len(values) ** 0.5:.3f}"
            cells.append(text)
        yield name, cells


def _number(value: float, how: str) -> str:
    return format(value, how) if math.isfinite(value) else "-"


def _unit(metric: str) -> float:
    return 60.0 if metric == "delay_s" else 1.0  # s -> min
