"""The demo's screen and its plain twin: what the board knows, as rich text."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from edge_anomaly.demo.board import Board, Line, Machine
from edge_anomaly.demo.summary import Summary
from edge_anomaly.plants import Plant

__all__ = ["STARTING", "Counters", "bar", "line_text", "screen", "sparkline", "summary_table"]

BAR = 28  # characters, of which the alarm level stands in the middle
TOP = 2.0  # deviation over alarm level at the bar's end
NEAR = 0.8
HOURS_FROM = 300  # minutes; longer delays are told in hours
BLOCKS = " ▁▂▃▄▅▆▇█"
SHOWN = 9  # lines of the log
FOOT = "Ctrl-C ends it with a summary."
STARTING = "Starting the agent; its first start on a machine takes half a minute."

_MARKS = {
    "fault": ("✕ broken ", "magenta"),
    "repair": ("✓ mended ", "magenta"),
    "alarm": ("▲ ALARM  ", "bold red"),
    "worse": ("▲ worse  ", "bold red"),
    "note": ("· note   ", "dim"),
    "clear": ("○ over   ", "green"),
}


@dataclass(frozen=True)
class Counters:
    """What only the run itself knows."""

    readings: int  # published
    elapsed_s: float  # real time
    speed: float  # plant time over real time
    length_s: float | None = None  # of the whole run, real time; None: no end

    @property
    def rate(self) -> float:
        """Readings a second of real time."""
        return self.readings / self.elapsed_s if self.elapsed_s > 0 else 0.0


def screen(board: Board, counters: Counters, plant: Plant) -> RenderableType:
    """Everything, for one refresh."""
    return Group(
        _head(board, counters),
        _machines(board, plant.lately),
        _log(list(board.lines)[-SHOWN:], plant.warming),
        Text(STARTING if board.status == "starting" else FOOT, style="dim"),
    )


def bar(ratio: float | None) -> Text:
    """A deviation as a bar with the alarm level marked in its middle."""
    text = Text()
    filled = 0 if ratio is None else round(min(ratio, TOP) / TOP * BAR)
    for position in range(BAR):
        at_level = position == BAR // 2
        if position < filled:
            text.append("┿" if at_level else "━", style=_style(ratio))
        else:
            text.append("┊" if at_level else "─", style="white" if at_level else "grey30")
    return text


def sparkline(ratios: Iterable[float], width: int = 30) -> Text:
    """The newest `width` deviations, a character each, in the colour of each."""
    text = Text()
    newest = list(ratios)[-width:]
    text.append(" " * (width - len(newest)))
    for ratio in newest:
        level = min(len(BLOCKS) - 1, 1 + int(min(ratio, TOP) / TOP * (len(BLOCKS) - 1)))
        text.append(BLOCKS[level], style=_style(ratio))
    return text


def line_text(line: Line) -> Text:
    """One line of the log."""
    mark, style = _MARKS.get(line.kind, (line.kind, ""))
    text = Text(f"{_clock(line.t_s)}  ", style="dim")
    text.append(mark, style=style)
    text.append(line.text, style="" if line.kind in {"alarm", "worse"} else "dim")
    return text


def summary_table(summary: Summary, counters: Counters) -> RenderableType:
    """What came of it, fault by fault and in all."""
    table = Table(box=box.SIMPLE_HEAD, title="What broke, and what the agent said", expand=False)
    table.add_column("machine")
    table.add_column("fault")
    table.add_column("began")
    table.add_column("alarm after", justify="right")
    for finding in summary.findings:
        if finding.delay_s is not None:
            said = Text(_delay(finding.delay_s, counters.speed), style="green")
        elif finding.young:
            said = Text("none yet, still there", style="yellow")
        else:
            said = Text("no alarm", style="red")
        table.add_row(finding.fault.device, finding.fault.what, _clock(finding.fault.start_s), said)
    totals = Table.grid(padding=(0, 3))
    totals.add_column()
    totals.add_column(style="bold")
    totals.add_row("  faults injected", str(summary.injected))
    totals.add_row("  faults alarmed", f"{summary.alarmed}{_young(summary.young)}")
    totals.add_row("  false alarms", str(summary.false_alarms))
    delay = "-" if summary.delay_s is None else _delay(summary.delay_s, counters.speed)
    totals.add_row("  delay (median)", delay)
    totals.add_row("  readings", f"{counters.readings:,} published, {counters.rate:,.0f} a second")
    return Group(table, totals) if summary.findings else totals


def _head(board: Board, counters: Counters) -> RenderableType:
    style = {"online": "green", "starting": "yellow"}.get(board.status, "red")
    clock = "--" if board.time_s is None else f"{_clock(board.time_s)}"
    left = Text.assemble(
        ("edge-agent demo", "bold"), "   agent ", (board.status, style), f"   plant time {clock}"
    )
    left.append(f" ({counters.speed:g} times real time)", style="dim")
    right = Text(f"{counters.readings:,} readings, {counters.rate:,.0f}/s", style="cyan")
    if counters.length_s is not None:
        right.append(f"   {max(0.0, counters.length_s - counters.elapsed_s):.0f} s left")
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_row(left, right)
    return grid


def _machines(board: Board, lately: str) -> RenderableType:
    table = Table(box=box.ROUNDED, expand=True, border_style="grey50")
    table.add_column("machine", style="bold")
    table.add_column("deviation   (alarm level ┊)", min_width=BAR)
    table.add_column("", justify="right", min_width=5)
    table.add_column(lately, min_width=30)
    table.add_column("agent says", min_width=10)
    table.add_column("really broken")
    for machine in board.machines.values():
        ratio = machine.ratio
        table.add_row(
            machine.name,
            bar(ratio),
            Text("" if ratio is None else f"{ratio:4.0%}", style=_style(ratio)),
            sparkline(machine.recent),
            _says(machine),
            Text(machine.fault.what if machine.fault else "", style="magenta"),
        )
    return table


def _says(machine: Machine) -> Text:
    if machine.alarm is not None:
        return Text(f"▲ {machine.severity}", style="bold red")
    if machine.ratio is None:
        return Text("gathering", style="yellow")
    return Text("normal", style="green")


def _log(lines: list[Line], warming: str) -> RenderableType:
    text = Text("\n", no_wrap=True, overflow="ellipsis").join([line_text(line) for line in lines])
    blank = SHOWN - len(lines)
    if not lines:
        text = Text(warming, "dim")
        blank -= 1
    return Panel(
        Group(text, *[Text()] * blank),
        title="what happens",
        title_align="left",
        border_style="grey50",
    )


def _style(ratio: float | None) -> str:
    if ratio is None:
        return "dim"
    if ratio < NEAR:
        return "green"
    return "yellow" if ratio < 1 else "red"


def _clock(t_s: float) -> str:
    return f"{datetime.fromtimestamp(t_s, UTC):%d %b %H:%M}"


def _delay(delay_s: float, speed: float) -> str:
    minutes = delay_s / 60
    told = f"{minutes:.0f} min" if minutes < HOURS_FROM else f"{minutes / 60:.1f} h"
    return f"{told} ({delay_s / speed:.1f} s real)"


def _young(young: int) -> str:
    return f" ({young} more had only just begun)" if young else ""
