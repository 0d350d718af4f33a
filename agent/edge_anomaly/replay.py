"""`edge-agent replay`: the same core on recordings, without a broker, as fast as it goes."""

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from edge_anomaly.adapters.recordings import Block, Layout, read_recording
from edge_anomaly.compose import compose
from edge_anomaly.core import Core
from edge_anomaly.errors import RecordingError
from edge_anomaly.monitor import Judged, Monitor
from edge_anomaly.values import Event, iso
from edge_kernels import Readings

__all__ = ["register", "replay", "run"]

END_NS = 10**18  # silence after a recording's last reading: nothing more comes


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line; `run` takes the parsed arguments."""
    parser = subparsers.add_parser(
        "replay",
        help="the same alarms from recordings, without a broker",
        description="Run the agent on recordings: alarms as NDJSON on standard output, "
        "a summary on standard error. For the same readings the alarms, ids included, "
        "are those of the live run.",
        epilog="example: edge-agent replay --config plant.yaml week-*.csv --scores scores.csv",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("recordings", type=Path, nargs="+", metavar="RECORDING")
    parser.add_argument("--scores", type=Path, metavar="FILE", help="write every score, as CSV")
    parser.add_argument("--time-column", default=Layout.time, metavar="NAME")
    parser.add_argument("--device-column", default=Layout.device, metavar="NAME")
    parser.add_argument(
        "--time-unit",
        choices=["s", "ms", "us", "ns"],
        default=Layout.unit,
        help="of a time that is a number (default %(default)s; ISO 8601 is read as it is)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, then say what came of it; exit status 0.

    Raises:
        AgentError: A file cannot be used.
    """
    _, core, monitors = compose(args.config)
    layout = Layout(args.time_column, args.device_column, args.time_unit)
    events: Counter[str] = Counter()
    began = time.perf_counter()
    with ExitStack() as stack:
        scores = None
        if args.scores:
            try:
                file = stack.enter_context(args.scores.open("w", encoding="utf-8", newline=""))
            except OSError as exc:
                raise RecordingError(f"{args.scores}: {exc.strerror}") from exc
            scores = csv.writer(file, lineterminator="\n")
            scores.writerow(["time", "device", "score", "threshold", "coverage"])
        blocks = stack.enter_context(_Progress(args.recordings, layout))
        for window, told in replay(core, monitors, blocks):
            if scores is not None and window.score is not None:
                row = (f"{window.score:.6g}", f"{window.threshold:.6g}", f"{window.coverage:.4g}")
                scores.writerow([iso(window.end_ns), window.device, *row])
            for event in told:
                sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
                events[event.device] += event.type == "new"
    _tell(core, monitors, events, time.perf_counter() - began)
    return 0


def replay(
    core: Core, monitors: Iterable[Monitor], blocks: Iterable[Block]
) -> Iterator[tuple[Judged, list[Event]]]:
    """Every window that falls due, with the alarm transitions it made.

    Readings arrive when they were taken; after the last one nothing more is waited for.
    """
    now_ns = 0
    for block in blocks:
        if block.t_ns.size:
            now_ns = max(now_ns, int(block.t_ns.max()))
        for monitor in monitors:
            readings = _readings(monitor, block)
            if readings.device.size:
                yield from core.judged(monitor.place(readings, now_ns), now_ns)
    for monitor in monitors:
        yield from core.judged(monitor.expire(now_ns + END_NS), now_ns)


def _readings(monitor: Monitor, block: Block) -> Readings:
    """What of `block` the model watches, row by row."""
    row_of = {device: monitor.row(device) for device in set(block.device)}
    rows = np.array([-1 if row_of[d] is None else row_of[d] for d in block.device], np.int64)
    found = [monitor.column(name) for name in block.signals]
    columns = np.array([-1 if column is None else column for column in found], np.int64)
    taken = (rows >= 0)[:, np.newaxis] & (columns >= 0) & np.isfinite(block.value)
    at = np.nonzero(taken)
    return Readings(rows[at[0]], columns[at[1]], block.t_ns[at[0]], block.value[at])


class _Progress:
    """The blocks of all recordings, with a bar on a terminal."""

    def __init__(self, paths: list[Path], layout: Layout) -> None:
        self._paths = paths
        self._layout = layout
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Iterator[Block]:
        self._bar.start()
        return self._blocks()

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _blocks(self) -> Iterator[Block]:
        task = self._bar.add_task("", total=len(self._paths))
        for number, path in enumerate(self._paths):
            for block in read_recording(path, self._layout):
                yield block
                self._bar.update(task, completed=number + block.done, description=path.name)


def _tell(core: Core, monitors: list[Monitor], events: Counter[str], seconds: float) -> None:
    console = Console(stderr=True, highlight=False)
    readings = sum(monitor.readings for monitor in monitors)
    windows = sum(monitor.windows for monitor in monitors)
    console.print(
        f"{readings} readings, {windows} windows in {seconds:.1f} s; "
        f"{events.total()} alarms on {len(events)} devices"
    )
    for device, count in events.most_common():
        console.print(f"  {device}: {count}")
    for code, count in core.rejected.items():
        console.print(f"  not used, {code}: {count}")
    if not readings:
        console.print("No reading fits a model: compare the column names with the signals of the")
        console.print("bundle (edge-agent bundle inspect), and the devices with the config.")
