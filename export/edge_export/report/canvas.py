"""Charts as SVG inside a page, in the page's own colours, light or dark.

Every colour is drawn as a placeholder and replaced by a CSS variable, so that one drawing
serves both. Text stays text and takes the page's font.
"""

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

__all__ = [
    "ALARM",
    "EVENT",
    "HEAT",
    "INK",
    "LIMIT",
    "LINE",
    "MUTED",
    "SERIES",
    "WIDE",
    "Drawn",
    "days",
    "drawn",
    "plain",
]

# Placeholder: CSS variable.
_VARIABLES = {
    "#010101": "ink",
    "#020202": "muted",
    "#030303": "line",
    "#040404": "limit",
    "#050505": "event",
    "#060606": "alarm",
    "#070701": "series-1",
    "#070702": "series-2",
    "#070703": "series-3",
    "#070704": "series-4",
    "#070705": "series-5",
    "#070706": "series-6",
}
INK, MUTED, LINE, LIMIT, EVENT, ALARM = list(_VARIABLES)[:6]
SERIES = tuple(list(_VARIABLES)[6:])
DAY_NS = 86_400 * 10**9
WIDE = 9.6  # inches; the page scales it to its own width
# Legible on white and on near-black alike.
HEAT = LinearSegmentedColormap.from_list("heat", ["#2f6f8f33", "#2f9fb0", "#e0b030", "#e0552f"])
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edge-export",  # the same drawing is the same text
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.2,
}


@contextmanager
def _styled() -> Iterator[None]:
    with mpl.rc_context(_STYLE):
        yield


class Drawn:
    """A figure while it is drawn; `svg` once it is."""

    def __init__(self, rows: int, columns: int, size: tuple[float, float]) -> None:
        self.figure = Figure(figsize=size, layout="constrained")
        self.axes: NDArray[np.object_] = self.figure.subplots(rows, columns, squeeze=False)
        self.svg = ""

    @property
    def first(self) -> Axes:
        """The only axes of a figure of one."""
        found: Axes = self.axes[0, 0]
        return found


@contextmanager
def drawn(
    label: str, *, rows: int = 1, columns: int = 1, size: tuple[float, float] = (WIDE, 2.6)
) -> Iterator[Drawn]:
    """A figure to draw on; its `svg` is there when the block ends.

    Args:
        label: What the chart shows, for whoever cannot see it.
        rows: Of axes.
        columns: Of axes.
        size: Inches.
    """
    with _styled():
        sheet = Drawn(rows, columns, size)
        yield sheet
        out = io.StringIO()
        sheet.figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    sheet.svg = _inline(out.getvalue(), label)


def plain(axis: Axis) -> None:
    """Numbers on a logarithmic axis as people write them: 0.1, 1, 10."""
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def days(t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Times as an axis of dates counts them: days since the epoch, UTC."""
    return t_ns / DAY_NS


def _inline(svg: str, label: str) -> str:
    """The drawing without prologue, scaled by the page, with the page's font and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1">', svg, count=1)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for placeholder, variable in _VARIABLES.items():
        svg = svg.replace(placeholder, f"var(--{variable})")
    # Names are unique within one drawing; a page holds many.
    prefix = f"g{zlib.crc32(svg.encode()):x}"
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    return re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
