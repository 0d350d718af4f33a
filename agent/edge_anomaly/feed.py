"""`edge-agent feed`: a recording on a broker, as if its machines were talking now."""

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.adapters.recordings import Block, Layout, read_recording
from edge_anomaly.errors import ConfigError

__all__ = ["register", "rows", "run"]

FLUSH_S = 30.0
AHEAD = 1000  # messages that the broker may not have yet
TOPIC = "plant/{device}/{signal}"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "feed",
        help="publish recordings to a broker, with their own times",
        description='Publish recordings as {"t": <seconds>, "v": <number>}, one message a '
        "reading, with the times at which they were taken.",
        epilog="example: edge-agent feed --broker mqtt://127.0.0.1:1883 "
        "--topic 'servers/{device}/{signal}' omi-*.csv",
    )
    parser.add_argument("recordings", type=Path, nargs="+", metavar="RECORDING")
    parser.add_argument("--broker", required=True, metavar="URL", help="mqtt://HOST[:PORT]")
    parser.add_argument("--topic", default=TOPIC, help="default %(default)s")
    parser.add_argument(
        "--speed", type=float, help="recorded time over real time (default: as fast as it goes)"
    )
    parser.add_argument("--time-column", default=Layout.time, metavar="NAME")
    parser.add_argument("--device-column", default=Layout.device, metavar="NAME")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Publish all of it; exit status 0.

    Raises:
        AgentError: A recording cannot be read, or the broker refuses.
    """
    if "{device}" not in args.topic or "{signal}" not in args.topic:
        raise ConfigError(f"--topic: {args.topic!r} must hold {{device}} and {{signal}}")
    if args.speed is not None and not 0 < args.speed < math.inf:
        raise ConfigError("--speed must be above 0")
    layout = Layout(args.time_column, args.device_column)
    console = Console(stderr=True, highlight=False)
    began, first, sent = time.monotonic(), None, 0
    with (
        PlainClient(args.broker) as client,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        for path in args.recordings:
            task = bar.add_task(path.name, total=1.0)
            for block in read_recording(path, layout):
                for t_ns, topic, value in rows(block, args.topic):
                    first = t_ns if first is None else first
                    if args.speed is not None:
                        due = began + (t_ns - first) / 1e9 / args.speed
                        time.sleep(max(0.0, due - time.monotonic()))
                    payload = b'{"t":%d.%09d,"v":%.9g}' % (*divmod(t_ns, 10**9), value)
                    client.publish(topic, payload)
                    sent += 1
                    # Not further before the broker has it: what runs ahead fills memory.
                    while sent % AHEAD == 0 and not client.flush(FLUSH_S):
                        console.print("waiting for the broker")
                bar.update(task, completed=block.done)
        client.flush(FLUSH_S)
    console.print(f"{sent} readings published")
    return 0


def rows(block: Block, topic: str) -> Iterator[tuple[int, str, float]]:
    """Time, topic and value of every reading of `block`, in the order of its rows."""
    for device, t_ns, values in zip(
        block.device, block.t_ns.tolist(), block.value.tolist(), strict=True
    ):
        for signal, value in zip(block.signals, values, strict=True):
            if math.isfinite(value):
                yield t_ns, topic.format(device=device, signal=signal), value
