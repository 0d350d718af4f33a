"""`edge-agent demo`: composes broker, plant, agent and screen, and runs them for a while."""

import argparse
import json
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

import edge_anomaly.plants
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.demo.gateway import AgentProcess
from edge_anomaly.demo.show import Show
from edge_anomaly.errors import AgentError
from edge_anomaly.plants import PLANTS, Plant
from edge_anomaly.simulate import add_plant_options, new_feed, slots_of, speed_of

__all__ = ["TOKEN", "bundle_of", "configuration", "free_page", "register", "run"]

BUNDLES = Path(edge_anomaly.plants.__file__).parent / "bundles"
SITE = "demo"
PAGE = "127.0.0.1:8080"
TOKEN = "EDGE_AGENT_DEMO_TOKEN"  # noqa: S105 - the name of a variable


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "demo", help="a simulated plant, a broker and the agent, with a screen that shows them"
    )
    parser.add_argument(
        "--plant", choices=list(PLANTS), default="compressors", help="default: %(default)s"
    )
    parser.add_argument(
        "--web",
        metavar="HOST:PORT",
        help=f"of the page; default: {PAGE}, or a free port where that is taken",
    )
    add_plant_options(parser)
    parser.set_defaults(run=run)


def bundle_of(plant: Plant) -> Path:
    """The bundle that ships for a plant."""
    return BUNDLES / plant.name


def configuration(plant: Plant, url: str, page: str = "127.0.0.1:0") -> str:
    """The demo's plant.yaml; JSON is YAML.

    Args:
        plant: What is watched.
        url: Of the broker.
        page: Where the page listens; its token is in the variable `TOKEN`.
    """
    return json.dumps(
        {
            "site": SITE,
            "agent": plant.name,
            "broker": {"url": url},
            "inputs": [plant.input],
            "models": [{"bundle": str(bundle_of(plant)), "devices": list(plant.devices)}],
            "alarms": plant.alarms,
            "web": {"listen": page, "commands": True, "token": {"env": TOKEN}},
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
    page, token = args.web or free_page(), secrets.token_urlsafe(9)
    console = Console()
    console.print(f"page  http://{page}   (token for its buttons: {token})", highlight=False)
    show = Show(console, feed, speed=speed_of(plant, args), seconds=args.seconds)
    with _terminable():
        try:
            with EmbeddedBroker() as broker:
                base = f"edge-agent/v1/{SITE}/{plant.name}"
                agent = AgentProcess(configuration(plant, broker.url, page), {TOKEN: token})
                show.run(broker.url, base, agent, until)
        except KeyboardInterrupt:
            pass  # how a demo without --for ends
    show.print_summary()
    return 0


def free_page() -> str:
    """`PAGE`, or a free port beside it."""
    host, port = PAGE.split(":")
    for number in (int(port), 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError:
                continue
            return f"{host}:{probe.getsockname()[1]}"
    raise AgentError("no port is free for the page")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
