"""`edge-agent status`: how an agent stands, live, from what it has retained on the broker."""

import argparse
import queue
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.compose import read_config
from edge_anomaly.errors import ConfigError
from edge_anomaly.values import Publish
from edge_anomaly.wall import Wall

__all__ = ["picture", "register"]

WAIT_S = 2.0  # for what is retained
REFRESH_S = 0.5
COLOURS = {"critical": "bold red", "warning": "yellow", "advisory": "cyan"}
ROWS = 40


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="how a running agent stands, live in this terminal",
        description="Read the retained topics of the agent that runs with this config.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--once", action="store_true", help="print it and end")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    config, _ = read_config(args.config)
    if config.broker.embedded:
        raise ConfigError(f"{args.config}: broker.url: nobody else reaches an embedded broker")
    host, port = config.broker.address
    scheme = "mqtts" if config.broker.url.startswith(("mqtts", "wss")) else "mqtt"
    wall, console = Wall(config.base), Console()
    inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
    with PlainClient(
        f"{scheme}://{host}:{port}",
        [f"{config.base}/#"],
        lambda topic, payload: inbox.put((topic, payload)),
    ):
        _take(wall, inbox, WAIT_S)
        if args.once:
            console.print(picture(wall))
            return 0 if wall.status == "online" else 1
        with Live(picture(wall), console=console, auto_refresh=False) as live:
            while True:
                _take(wall, inbox, REFRESH_S)
                live.update(picture(wall), refresh=True)


def _take(wall: Wall, inbox: "queue.SimpleQueue[tuple[str, bytes]]", seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        try:
            topic, payload = inbox.get(timeout=left)
        except queue.Empty:
            return
        if payload:
            wall.take(Publish(topic, payload))


def picture(wall: Wall) -> Group:
    """The agent, and a table of its devices: those that need somebody first."""
    everything = wall.everything()
    head = Text(wall.base.split("/", 2)[2], style="bold")
    head.append(f"  {wall.status}", style="green" if wall.status == "online" else "bold red")
    health = wall.health
    if health:
        head.append(
            f"  {health['readings_per_s']:g} readings/s, {health['windows_per_s']:g} windows/s, "
            f"{health['memory_bytes'] / 2**20:.0f} MB, {health['outbox']} waiting",
            style="dim",
        )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("device", "state", "heard", "score", "since", "what"):
        table.add_column(name, overflow="fold" if name == "what" else "ellipsis")
    devices = sorted(everything["devices"].items(), key=lambda one: (_rank(one[1]), one[0]))
    for name, device in devices[:ROWS]:
        table.add_row(*_row(name, device))
    parts: list[Text | Table] = [head, table]
    if len(devices) > ROWS:
        parts.append(Text(f"and {len(devices) - ROWS} more", style="dim"))
    return Group(*parts)


def _rank(device: dict[str, Any]) -> int:
    order = ("ACTIVE_UNACK", "ACTIVE_ACK", "CLEARED_UNACK", "SHELVED", "SUPPRESSED")
    state = device["state"]["state"]
    return order.index(state) if state in order else len(order)


def _row(name: str, device: dict[str, Any]) -> tuple[Text | str, ...]:
    state, window = device["state"], device["window"]
    style = COLOURS.get(state.get("severity") or "", "dim" if state["state"] == "NORMAL" else "")
    ratio = ""
    if window is not None and window["score"] is not None:
        ratio = f"{window['score'] / window['threshold']:.2f}"
    normal = state["state"] == "NORMAL"
    since = state.get("since")
    return (
        name,
        Text(state["state"].lower().replace("_", " "), style=style),
        device["availability"],
        ratio,
        "" if since is None or normal else f"{datetime.fromisoformat(since):%d %b %H:%M}",
        "" if normal else (state.get("message") or ""),
    )
