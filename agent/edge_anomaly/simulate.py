"""`edge-agent simulate`: a simulated plant on a broker, with its faults labelled.

plant/<device>/<signal>    {"t": seconds since the epoch, "v": value}
plant-labels/<device>      the fault that is there now, or that there is none; retained
"""

import argparse
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.config import Duration
from edge_anomaly.plants import PERIOD_S, Compressors, Fault, random_faults
from edge_anomaly.values import Publish

__all__ = [
    "LABELS",
    "READINGS",
    "SPEED",
    "START_S",
    "Feed",
    "Label",
    "Pace",
    "Wire",
    "add_plant_options",
    "drive",
    "faults_of",
    "register",
    "run",
    "show",
]

READINGS, LABELS = "plant", "plant-labels"
SPEED = 600.0  # plant time over real time: a minute of the plant every tenth of a second
# Faster than real, so it begins in the past: the agent refuses readings from the future.
START_S = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
FLUSH_S = 5.0
MONTH_SLOTS = 30 * 24 * 60


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a device: nothing when `kind` is null."""

    device: str
    t: float  # since when, seconds since the epoch
    kind: str | None = None
    signals: tuple[str, ...] = ()
    sentence: str = ""


class Wire(Protocol):
    """Where messages go."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Queue a message at QoS 1."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has taken all of them."""
        ...


class Feed:
    """A plant as messages, slot by slot; pure."""

    def __init__(self, plant: Compressors, *, start_s: float = START_S) -> None:
        self._plant = plant
        self._start_s = start_s
        self._topics = [
            [f"{READINGS}/{device}/{signal}" for signal in plant.signals]
            for device in plant.devices
        ]
        self.readings = 0  # so far

    def time_s(self, slot: int) -> float:
        """When a slot begins, seconds since the epoch."""
        return self._start_s + slot * PERIOD_S

    def slot(self) -> list[Publish]:
        """Messages of the next slot: labels that change, then the readings."""
        slots, values = self._plant.step(1)
        slot = int(slots[0])
        t = self.time_s(slot)
        messages = list(self._labels(slot))
        for topics, row in zip(self._topics, values[0].tolist(), strict=True):
            for topic, value in zip(topics, row, strict=True):
                messages.append(Publish(topic, b'{"t":%d,"v":%.6g}' % (t, value)))
                self.readings += 1
        return messages

    def _labels(self, slot: int) -> Iterator[Publish]:
        for device in self._plant.devices:
            mine = [fault for fault in self._plant.faults if fault.device == device]
            for fault in mine:
                if fault.end == slot:
                    yield self._label(Label(device=device, t=self.time_s(slot)))
            if slot == 0:
                yield self._label(Label(device=device, t=self.time_s(slot)))
            for fault in mine:
                if fault.start == slot:
                    yield self._label(
                        Label(
                            device=device,
                            t=self.time_s(slot),
                            kind=fault.kind.value,
                            signals=fault.signals,
                            sentence=fault.sentence,
                        )
                    )

    def _label(self, label: Label) -> Publish:
        return Publish(f"{LABELS}/{label.device}", msgspec.json.encode(label), retain=True)


class Pace:
    """Waits until a slot is due; what is late is sent at once, so the mean rate holds."""

    def __init__(self, speed: float) -> None:
        self._each = PERIOD_S / speed
        self._began = time.monotonic()

    def wait(self, slot: int, stop: threading.Event) -> bool:
        """Return at the slot's time, or True as soon as `stop` is set."""
        return stop.wait(max(0.0, self._began + slot * self._each - time.monotonic()))


def drive(
    feed: Feed, wire: Wire, pace: Pace, stop: threading.Event, *, until: int | None = None
) -> Iterator[int]:
    """Publish slot after slot; yields each slot once the broker has it, until `until`."""
    for slot in count() if until is None else range(until):
        if pace.wait(slot, stop):
            return
        for message in feed.slot():
            wire.publish(message.topic, message.payload, retain=message.retain)
        # Not before the broker has it: a plant that runs ahead of its broker fills memory.
        while not wire.flush(FLUSH_S):
            if stop.is_set():
                return
        yield slot


def faults_of(seed: int, *, until: int | None) -> tuple[Fault, ...]:
    """The faults that a run shows; without an end, those of the first month."""
    return tuple(random_faults(seed, Compressors.devices, until=until or MONTH_SLOTS))


def add_plant_options(parser: argparse.ArgumentParser) -> None:
    """Options that `simulate` and `demo` share."""
    parser.add_argument("--seed", type=int, default=1, help="of weather, demand and faults")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=SPEED,
        help="plant time over real time (default %(default)g: a minute each tenth of a second)",
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_seconds,
        metavar="DURATION",
        help="end after this much real time, such as 60s or 10min",
    )


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "simulate", help="publish a simulated plant with labelled faults to a broker"
    )
    parser.add_argument("plant", choices=["compressors"], help="which plant")
    parser.add_argument("--broker", required=True, metavar="URL", help="mqtt://HOST[:PORT]")
    parser.add_argument(
        "--faults",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let things break (default: yes)",
    )
    add_plant_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Publish until the time is up or Ctrl-C; exit status 0.

    Raises:
        BrokerError: There is no broker at that address.
    """
    until = None if args.seconds is None else max(1, round(args.seconds * args.speed / PERIOD_S))
    plant = Compressors(args.seed, faults_of(args.seed, until=until) if args.faults else ())
    feed, stop = Feed(plant), threading.Event()
    with PlainClient(args.broker) as client:
        try:
            show(
                feed, plant.faults, drive(feed, client, Pace(args.speed), stop, until=until), until
            )
        except KeyboardInterrupt:
            stop.set()
    Console(stderr=True).print(f"{feed.readings} readings published", highlight=False)
    return 0


def show(feed: Feed, faults: Iterable[Fault], slots: Iterable[int], until: int | None) -> None:
    """Progress on a terminal, one line a fault elsewhere, both on standard error."""
    console = Console(stderr=True)
    columns = ("{task.description}", "{task.fields[readings]} readings")
    bar = Progress(
        TextColumn(columns[0]),
        BarColumn(),
        TextColumn(columns[1]),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    begins = {fault.start: fault for fault in faults}
    with bar:
        task: TaskID = bar.add_task("plant", total=until, readings=0)
        for slot in slots:
            clock = datetime.fromtimestamp(feed.time_s(slot), UTC)
            bar.update(
                task,
                completed=slot + 1,
                description=f"plant at {clock:%d %b %H:%M}",
                readings=feed.readings,
            )
            if slot in begins:
                console.print(f"{clock:%d %b %H:%M}  {begins[slot].sentence}", highlight=False)


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 1e5:  # noqa: PLR2004 - beyond it no broker keeps up
        raise argparse.ArgumentTypeError("must be above 0 and at most 100000")
    return speed


def _seconds(text: str) -> float:
    try:
        return Duration.read(text) / 1e9
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
