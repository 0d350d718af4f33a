"""`edge-agent demo`: composes broker, plant, agent and screen, and runs them for a while."""

import argparse
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

import edge_anomaly.plants
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.demo.gateway import AgentProcess
from edge_anomaly.demo.show import Show
from edge_anomaly.plants import PERIOD_S, Compressors
from edge_anomaly.simulate import READINGS, Feed, add_plant_options, faults_of

__all__ = ["BUNDLE", "configuration", "register", "run"]

BUNDLE = Path(edge_anomaly.plants.__file__).parent / "bundles" / "compressors"
SITE, AGENT = "demo", "compressors"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "demo", help="a simulated plant, a broker and the agent, with a screen that shows them"
    )
    add_plant_options(parser)
    parser.set_defaults(run=run)


def configuration(url: str) -> str:
    """The demo's plant.yaml."""
    return f"""\
site: {SITE}
agent: {AGENT}
broker: {{url: "{url}"}}
inputs:
  - topic: {READINGS}/{{device}}/{{signal}}
    format: json
    value: v
    time: {{path: t, unit: s}}
    max_gap: 3min
models:
  - bundle: {json.dumps(str(BUNDLE))}
    devices: ["c-*"]
"""


def run(args: argparse.Namespace) -> int:
    """Run until the time is up or Ctrl-C, then print what came of it; exit status 0.

    Raises:
        AgentError: A part cannot start: no broker installed, or the bundle is not sound.
    """
    until = None if args.seconds is None else max(1, round(args.seconds * args.speed / PERIOD_S))
    plant = Compressors(args.seed, faults_of(args.seed, until=until))
    show = Show(Console(), Feed(plant), speed=args.speed, seconds=args.seconds)
    with _terminable():
        try:
            with EmbeddedBroker() as broker:
                base = f"edge-agent/v1/{SITE}/{AGENT}"
                show.run(broker.url, base, AgentProcess(configuration(broker.url)), until)
        except KeyboardInterrupt:
            pass  # how a demo without --for ends
    show.print_summary()
    return 0


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
