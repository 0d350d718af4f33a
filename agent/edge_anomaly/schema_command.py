"""`edge-agent schema`: JSON Schema of every file and payload."""

import argparse
import sys
from typing import Any

import msgspec

from edge_anomaly.commands import VERBS, Reply
from edge_anomaly.files.bundle import Manifest
from edge_anomaly.files.config import Config, Duration
from edge_anomaly.values import Available, Event, Health, InputError, Score, State

__all__ = ["SCHEMAS", "register", "schema"]

SCHEMAS: dict[str, type] = {
    "config": Config,
    "error": InputError,
    "availability": Available,
    "event": Event,
    "health": Health,
    "manifest": Manifest,
    "reply": Reply,
    "score": Score,
    "state": State,
    **{f"cmd-{verb}": request for verb, request in VERBS.items()},
}


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser("schema", help="print the JSON Schema of a file or payload")
    parser.add_argument("what", choices=sorted(SCHEMAS))
    parser.set_defaults(run=_run)


def schema(what: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of one of `SCHEMAS`."""
    made = msgspec.json.schema(SCHEMAS[what], schema_hook=_hook)
    if what == "config":  # an input without a format is JSON, which no tag can say
        made["$defs"]["JsonInput"]["required"].remove("format")
    return made


def _run(args: argparse.Namespace) -> int:
    text = msgspec.json.format(msgspec.json.encode(schema(args.what)), indent=2)
    sys.stdout.write(text.decode() + "\n")
    return 0


def _hook(kind: type) -> dict[str, Any]:
    if kind is Duration:
        return {"type": "string", "examples": ["500ms", "2s", "5min", "1h", "30d"]}
    raise NotImplementedError(f"no schema for {kind}")
