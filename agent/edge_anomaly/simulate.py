"""`edge-agent simulate`: a simulated plant on a broker, with its faults labelled.

plant/<device>/...         readings, as the plant of `edge_anomaly.plants` says
plant-labels/<device>      the fault that is there now, or that there is none; retained
"""

import argparse
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.files.config import Duration
from edge_anomaly.plants import PLANTS, START_S, Plant, Trouble
from edge_anomaly.values import Publish

__all__ = [
    "LABELS",
    "START_S",
    "Feed",
    "Label",
    "Pace",
    "Wire",
    "add_plant_options",
    "drive",
    "new_feed",
    "register",
    "run",
    "show",
    "slots_of",
    "speed_of",
]

LABELS = "plant-labels"
FLUSH_S = 5.0


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

    def __init__(self, plant: Plant, seed: int, faults: Sequence[Trouble] = ()) -> None:
        """Begin at slot 0.

        Args:
            plant: Which one.
            seed: Of all that is random in it.
            faults: What breaks.
        """
        self.plant = plant
        self.faults = tuple(faults)
        self._run = plant.new(seed, faults)
        self.readings = 0  # so far

    def time_s(self, slot: int) -> float:
        """When a slot begins, seconds since the epoch."""
        return self.plant.start_s + slot * self.plant.period_s

    def slot(self) -> list[Publish]:
        """Messages of the next slot: labels that change, then the readings."""
        slots, values = self._run.step(1)
        slot = int(slots[0])
        t_s = self.time_s(slot)
        messages = list(self._labels(slot))
        for device, mine in zip(self.plant.devices, values[0], strict=True):
            messages += self.plant.encode(device, t_s, mine)
        self.readings += values.size
        return messages

    def _labels(self, slot: int) -> Iterator[Publish]:
        for device in self.plant.devices:
            mine = [fault for fault in self.faults if fault.device == device]
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
                            kind=str(fault.kind),
                            signals=fault.signals,
                            sentence=fault.sentence,
                        )
                    )

    def _label(self, label: Label) -> Publish:
        return Publish(f"{LABELS}/{label.device}", msgspec.json.encode(label), retain=True)


class Pace:
    """Waits until a slot is due; what is late is sent at once, so the mean rate holds."""

    def __init__(self, each_s: float) -> None:
        """Begin now; a slot is due every `each_s` of real time."""
        self._each = each_s
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


def slots_of(plant: Plant, args: argparse.Namespace) -> int | None:
    """How many slots `--for` lasts, None without an end."""
    if args.seconds is None:
        return None
    seconds: float = args.seconds
    return max(1, round(seconds * speed_of(plant, args) / plant.period_s))


def speed_of(plant: Plant, args: argparse.Namespace) -> float:
    """Plant time over real time, as asked for or as usual for the plant."""
    return plant.speed if args.speed is None else float(args.speed)


def new_feed(plant: Plant, args: argparse.Namespace, *, faults: bool = True) -> Feed:
    """The plant as the options say, with what breaks in it."""
    until = slots_of(plant, args)
    return Feed(plant, args.seed, plant.trouble(args.seed, until) if faults else ())


def add_plant_options(parser: argparse.ArgumentParser) -> None:
    """Options that `simulate` and `demo` share."""
    parser.add_argument("--seed", type=int, default=1, help="of the plant's moods and faults")
    usual = ", ".join(f"{plant.name} {plant.speed:g}" for plant in PLANTS.values())
    parser.add_argument(
        "--speed", type=_speed, help=f"plant time over real time (default: {usual})"
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
    parser.add_argument("plant", choices=list(PLANTS), help="which plant")
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
    plant = PLANTS[args.plant]
    until, each_s = slots_of(plant, args), plant.period_s / speed_of(plant, args)
    feed, stop = new_feed(plant, args, faults=args.faults), threading.Event()
    with PlainClient(args.broker) as client:
        try:
            show(feed, drive(feed, client, Pace(each_s), stop, until=until), until)
        except KeyboardInterrupt:
            stop.set()
    Console(stderr=True).print(f"{feed.readings} readings published", highlight=False)
    return 0


def show(feed: Feed, slots: Iterable[int], until: int | None) -> None:
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
    begins = {fault.start: fault for fault in feed.faults}
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
