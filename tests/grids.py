"""A small grid at work, and all that came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import naive
import numpy as np
from hypothesis import strategies as st

from edge_kernels import (
    ACCEPTED,
    CROWDED,
    DUPLICATE,
    FUTURE,
    LATE,
    RESTARTED,
    Grid,
    Readings,
    expire,
    ingest,
    new_due,
    new_grid,
    roomy,
)

__all__ = ["FAR", "HOW", "Reading", "Run", "Shape", "Window", "rounded", "series", "shapes"]

WORDS = {
    ACCEPTED: "accepted",
    CROWDED: "crowded",
    LATE: "late",
    DUPLICATE: "duplicate",
    FUTURE: "future",
    RESTARTED: "restarted",
}
FAR = 10**6  # future enough for any reading
Reading = tuple[int, int, int, float]  # device, signal, t_ns, value
Window = naive.GridWindow
HOW = ("last", "mean", "min", "max")


@dataclass(frozen=True)
class Shape:
    """The sizes of a small grid."""

    devices: int = 1
    signals: int = 1
    window: int = 3
    period: int = 10
    lateness: int = 0
    max_gap: int = 20
    hop: int = 1
    how: tuple[str, ...] = ()

    @property
    def fill(self) -> list[list[float]]:
        return [[-float(1 + d + 10 * c) for c in range(self.signals)] for d in range(self.devices)]

    def grid(self) -> Grid:
        return new_grid(
            np.array(self.fill, np.float32),
            window=self.window,
            period=self.period,
            lateness=np.full(self.devices, self.lateness),
            max_gap=np.full(self.devices, self.max_gap),
            hop=self.hop,
            how=np.array([HOW.index(how) for how in self.how], np.uint8) if self.how else None,
        )

    def naive(self) -> list[naive.GridDevice]:
        sizes = (self.signals, self.window, self.period, self.lateness, self.max_gap, self.hop)
        return [naive.GridDevice(*sizes, fill=tuple(fill), how=self.how) for fill in self.fill]


@dataclass
class Run:
    """A grid at work, with all that came of it."""

    shape: Shape
    room: int = 2
    outcomes: list[str] = field(default_factory=list)
    windows: dict[int, list[Window]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grid = self.shape.grid()
        self.due = new_due(self.grid, self.room)

    def take(
        self,
        readings: Iterable[Reading],
        arrived: int = 0,
        max_future: int = FAR,
        uncertain: Sequence[bool] = (),
    ) -> "Run":
        device, signal, t_ns, value = list(zip(*readings, strict=True)) or [()] * 4
        block = Readings(
            np.array(device, np.int64),
            np.array(signal, np.int64),
            np.array(t_ns, np.int64),
            np.array(value, np.float32),
        )
        return self.place(block, arrived, max_future, uncertain)

    def place(
        self,
        block: Readings,
        arrived: int = 0,
        max_future: int = FAR,
        uncertain: Sequence[bool] = (),
    ) -> "Run":
        outcome = np.full(block.device.size, 99, np.uint8)
        self.grid = roomy(self.grid, outcome.size)
        at = 0
        while at < outcome.size:
            at, count = ingest(
                self.grid,
                block,
                outcome,
                self.due,
                start=at,
                arrived=arrived,
                max_future=max_future,
                uncertain=np.array(uncertain, np.bool_),
            )
            self._collect(count)
        self.outcomes += [WORDS[code] for code in outcome.tolist()]
        return self

    def expire(self, now: int) -> "Run":
        done = False
        while not done:
            done, count = expire(self.grid, self.due, now=now)
            self._collect(count)
        return self

    def slots(self, device: int = 0) -> list[int]:
        return [window[0] for window in self.windows.get(device, [])]

    def _collect(self, count: int) -> None:
        for i in range(count):
            self.windows.setdefault(int(self.due.device[i]), []).append(
                (
                    int(self.due.slot[i]),
                    self.due.window[i].tolist(),
                    bool(self.due.warm[i]),
                    float(self.due.coverage[i]),
                )
            )


def series(*times: int, device: int = 0, signal: int = 0) -> list[Reading]:
    """A reading at each time, with the time as its value."""
    return [(device, signal, t, float(t)) for t in times]


def rounded(windows: list[Window]) -> list[Window]:
    return [
        (slot, np.array(values, np.float32).tolist(), warm, round(coverage, 5))
        for slot, values, warm, coverage in windows
    ]


shapes = st.builds(
    Shape,
    devices=st.integers(1, 2),
    signals=st.just(2),
    how=st.just(()) | st.tuples(*[st.sampled_from(HOW)] * 2),
    window=st.integers(1, 4),
    period=st.sampled_from([1, 3, 10]),
    lateness=st.integers(0, 45),
    max_gap=st.integers(0, 35),
    hop=st.integers(1, 6),
)
