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
from edge_anomaly.plants import PLANTS, Plant
from edge_anomaly.simulate import add_plant_options, new_feed, slots_of, speed_of

__all__ = ["bundle_of", "configuration", "register", "run"]

BUNDLES = Path(edge_anomaly.plants.__file__).parent / "bundles"
SITE = "demo"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "demo", help="a simulated plant, a broker and the agent, with a screen that shows them"
    )
    parser.add_argument(
        "--plant", choices=list(PLANTS), default="compressors", help="default: %(default)s"
    )
    add_plant_options(parser)
    parser.set_defaults(run=run)


def bundle_of(plant: Plant) -> Path:
    """The bundle that ships for a plant."""
    return BUNDLES / plant.name


def configuration(plant: Plant, url: str) -> str:
    """The demo's plant.yaml; JSON is YAML."""
    return json.dumps(
        {
            "site": SITE,
            "agent": plant.name,
            "broker": {"url": url},
            "inputs": [plant.input],
            "models": [{"bundle": str(bundle_of(plant)), "devices": list(plant.devices)}],
            "alarms": plant.alarms,
        },
        indent=1,
    )


def run(args: argparse.Namespace) -> int:
    """Run until the time is up or Ctrl-C, then print what came of it; exit status 0.

    Raises:
        AgentError: A part cannot start: no broker installed, or the bundle is not sound.
    """
    plant = PLANTS[args.plant]
    until, feed = slots_of(plant, args), new_feed(plant, args)
    show = Show(Console(), feed, speed=speed_of(plant, args), seconds=args.seconds)
    with _terminable():
        try:
            with EmbeddedBroker() as broker:
                base = f"edge-agent/v1/{SITE}/{plant.name}"
                agent = AgentProcess(configuration(plant, broker.url))
                show.run(broker.url, base, agent, until)
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
