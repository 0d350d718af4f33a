"""edge-export: recordings in, a verified bundle out."""

import argparse
import logging
import sys
from collections.abc import Sequence

import shtab

from edge_anomaly.errors import AgentError
from edge_export import add_device_command, evaluate_command, train_command

__all__ = ["main", "parser"]

COMMANDS = (train_command, add_device_command, evaluate_command)  # each offers register(subparsers)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it did what it says, 2 with one line on stderr when it could not."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = parser().parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        arguments.run(arguments, words)
    except AgentError as exc:
        sys.stderr.write(f"edge-export: {exc}\n")
        return 2
    except KeyboardInterrupt:  # nothing was written: a bundle appears whole or not at all
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = argparse.ArgumentParser(prog="edge-export", description=__doc__)
    shtab.add_argument_to(top, "--print-completion")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(subparsers)
    return top
