"""edge-export: recordings in, a verified bundle out."""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

import shtab

from edge_anomaly.errors import AgentError

__all__ = ["main", "parser"]

# Each offers register(subparsers).
COMMANDS = (
    "train",
    "calibrate",
    "add_device",
    "evaluate",
    "compare",
    "report",
    "rhythm",
    "forests",
    "csv",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what it says, 2 with one line on stderr when it could not."""
    words = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        arguments = parser().parse_args(words)
        arguments.run(arguments, words)
    except AgentError as exc:
        sys.stderr.write(f"edge-export: {exc}\n")
        return 2
    except KeyboardInterrupt:  # nothing was written: a bundle appears whole or not at all
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and options.

    Raises:
        AgentError: What training needs is not installed.
    """
    top = argparse.ArgumentParser(prog="edge-export", description=__doc__)
    shtab.add_argument_to(top, "--print-completion")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        try:
            import_module(f"edge_export.commands.{command}").register(subparsers)
        except ModuleNotFoundError as exc:
            raise AgentError(
                f"{exc.name} is not installed: pip install 'edge-anomaly-agent[train]'"
            ) from exc
    return top
