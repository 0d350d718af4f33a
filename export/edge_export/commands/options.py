"""Options that several commands have, each written once, and what their words may be."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import shtab

from edge_anomaly.files.config import Alarms, Clear, Raise
from edge_export.data.sources import NAMES
from edge_export.evaluation.results import Setting

__all__ = [
    "LEARNT",
    "Run",
    "alarms",
    "amount",
    "buffer",
    "bundle",
    "count",
    "data",
    "delays",
    "file",
    "folder",
    "held_out",
    "judged_on",
    "none_or_more",
    "offer",
    "seed",
    "share",
]

Run = Callable[[argparse.Namespace, Sequence[str]], None]  # the command, given its own words

LEARNT = f"healthy time the bundle was trained on: {NAMES}"
LABELLED = "what follows it, with a column `label` (0 or 1); public datasets bring their own"


def offer(
    subparsers: Any,  # noqa: ANN401 - argparse keeps the class to itself
    name: str,
    run: Run,
    *,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Add a command to `edge-export`; its options are still to be added.

    Args:
        subparsers: Of the program.
        name: Of the command.
        run: What it does.
        summary: A line in the list of commands.
        description: Above the options.
        examples: Below them.
    """
    command: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def bundle(command: argparse.ArgumentParser, what: str = "its folder") -> None:
    """The bundle that the command is about."""
    named = command.add_argument("bundle", type=Path, metavar="BUNDLE", help=what)
    _completed(named, shtab.DIRECTORY)


def data(command: argparse.ArgumentParser, what: str = LEARNT) -> None:
    """`--data`, without which nothing can be said."""
    files = command.add_argument("--data", nargs="+", required=True, metavar="FILE", help=what)
    _completed(files, shtab.FILE)


def judged_on(command: argparse.ArgumentParser, what: str = LABELLED) -> None:
    """`--test`: what to judge on."""
    _completed(command.add_argument("--test", nargs="+", metavar="FILE", help=what), shtab.FILE)


def buffer(command: argparse.ArgumentParser) -> None:
    """`--buffer` of VUS-PR."""
    command.add_argument(
        "--buffer",
        type=none_or_more,
        default=Setting().buffer,
        metavar="SAMPLES",
        help="of VUS-PR (default %(default)s)",
    )


def seed(command: argparse.ArgumentParser) -> None:
    """`--seed` of what references draw."""
    command.add_argument(
        "--seed", type=int, default=Setting().seed, help="of the random score and the forest"
    )


def held_out(command: argparse.ArgumentParser, what: str) -> None:
    """`--held-out`: the last share of training time."""
    command.add_argument(
        "--held-out",
        type=share,
        default=Setting().held_out,
        metavar="SHARE",
        help=f"last share of training time, {what} (default %(default)s)",
    )


def delays(command: argparse.ArgumentParser) -> None:
    """`--raise-after` and `--clear-after`, as an agent's config has them by default."""
    usual = Alarms()
    for option, windows, side in (
        ("--raise-after", usual.raise_.windows, "above"),
        ("--clear-after", usual.clear.windows, "below"),
    ):
        command.add_argument(
            option,
            type=count,
            default=windows,
            metavar="N",
            help=f"windows {side} (default %(default)s)",
        )


def alarms(arguments: argparse.Namespace) -> Alarms:
    """The rules of alarms as `delays` has them."""
    return Alarms(
        raise_=Raise(windows=arguments.raise_after), clear=Clear(windows=arguments.clear_after)
    )


def file(command: argparse.ArgumentParser, option: str, what: str) -> None:
    """An option that names a file."""
    _completed(command.add_argument(option, type=Path, metavar="FILE", help=what), shtab.FILE)


def folder(
    command: argparse.ArgumentParser,
    option: str,
    what: str,
    *,
    metavar: str = "FOLDER",
    required: bool = False,
) -> None:
    """An option that names a folder."""
    named = command.add_argument(option, type=Path, metavar=metavar, required=required, help=what)
    _completed(named, shtab.DIRECTORY)


def count(text: str) -> int:
    """A whole number of at least one."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def none_or_more(text: str) -> int:
    """A whole number that is not negative."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def amount(text: str) -> float:
    """A number above zero."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{value:g} is not above 0")
    return value


def share(text: str) -> float:
    """A number between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{value:g} is not between 0 and 1")
    return value


def _completed(action: argparse.Action, by: Mapping[str, Any]) -> None:
    """Tell shells what to complete an option's words by."""
    action.complete = by  # type: ignore[attr-defined] # shtab looks for it there
