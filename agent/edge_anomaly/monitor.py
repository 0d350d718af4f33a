"""One model at work: readings of its devices in, judged windows out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Bundle
from edge_anomaly.config import Input
from edge_anomaly.config import Model as Watch
from edge_anomaly.errors import ConfigError
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Scores
from edge_kernels import ACCEPTED, Readings, expire, ingest, new_due, new_grid

__all__ = ["MICRO_BATCH", "Judged", "Monitor", "Refused"]

MICRO_BATCH = 128  # windows through the graph at once; more gains nothing on one core
OPEN_CELLS = 1 << 24  # readings that may wait for late ones: 200 MB


@dataclass(frozen=True)
class Judged:
    """A window that fell due, scored where enough of it was there."""

    device: str
    start_ns: int
    end_ns: int
    coverage: float
    warm: bool
    score: float | None
    threshold: float
    deviation: NDArray[np.float32]  # (C,)
    observed: NDArray[np.float32]  # (C,) engineering units
    expected: NDArray[np.float32]  # (C,)
    where_ns: tuple[int, int] | None = None  # start and end of what a stage blames in the window


@dataclass(frozen=True)
class Refused:
    """Readings that the grid did not take, by reason; the first of them as an example."""

    outcome: int  # LATE, DUPLICATE or FUTURE
    count: int
    device: str
    signal: str
    t_ns: int


class Monitor:
    """A bundle, its loaded graph, and the time grid of the devices it watches."""

    def __init__(self, bundle: Bundle, model: Model, watch: Watch, inputs: Sequence[Input]) -> None:
        """Make room for every device of the bundle that the config names.

        Raises:
            ConfigError: The config names no device or signal that the bundle knows, or a
                lateness that would not fit in memory.
        """
        manifest = bundle.manifest
        self.bundle = bundle
        self.model = model
        self.devices = manifest.devices
        self.signals = bundle.signals
        self.units = [signal.unit for signal in manifest.signals]
        self.readings = 0  # taken so far
        self.windows = 0  # scored so far
        self._rows = {d: row for row, d in enumerate(self.devices) if watch.watches(d)}
        if not self._rows:
            raise ConfigError(
                f"{watch.devices} names no device of {watch.bundle}, "
                f"which knows {', '.join(self.devices[:20])}",
                ("models", "devices"),
            )
        columns = {name: column for column, name in enumerate(self.signals)}
        for here, there in watch.signals.items():
            if there not in columns:
                raise ConfigError(
                    f"{watch.bundle} has no signal {there!r}", ("models", "signals", here)
                )
            columns[here] = columns[there]
        self._columns = columns
        size = len(self.devices)
        lateness = max(spec.lateness for spec in inputs)
        cells = (lateness // manifest.period_ns + 2) * size * len(self.signals)
        if cells > OPEN_CELLS:
            raise ConfigError(
                f"a lateness of {lateness / 1e9:g} s keeps {cells} readings of "
                f"{watch.bundle} waiting; at most {OPEN_CELLS} fit",
                ("inputs", max(range(len(inputs)), key=lambda i: inputs[i].lateness), "lateness"),
            )
        self._grid = new_grid(
            bundle.calibration["fill"].astype(np.float32),
            window=bundle.window,
            period=manifest.period_ns,
            hop=manifest.branches[0].hop,
            lateness=np.full(size, lateness),
            max_gap=np.full(size, max(spec.max_gap for spec in inputs)),
        )
        self._max_future = max(spec.max_future for spec in inputs)
        self._due = new_due(self._grid, MICRO_BATCH)
        self._scorer = Scorer(bundle, model)
        self._broken = np.zeros(size, np.bool_)  # a window could not be scored since the last
        self._pending: list[tuple[int, int, int, float]] = []

    def row(self, device: str) -> int | None:
        """The row of `device`, or None where this model does not watch it."""
        return self._rows.get(device)

    def column(self, signal: str) -> int | None:
        """The column of a signal by the plant's name for it, or None."""
        return self._columns.get(signal)

    def add(self, row: int, column: int, t_ns: int, value: float) -> None:
        """Take a reading; it counts from the next `advance` on."""
        self._pending.append((row, column, t_ns, value))

    def advance(self, arrived_ns: int) -> Iterator[Judged | Refused]:
        """Place the readings taken since the last call and judge what falls due."""
        if not self._pending:
            return
        rows, columns, times, values = zip(*self._pending, strict=True)
        self._pending.clear()
        readings = Readings(
            np.array(rows, np.int64),
            np.array(columns, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float32),
        )
        yield from self.place(readings, arrived_ns)

    def place(self, readings: Readings, arrived_ns: int) -> Iterator[Judged | Refused]:
        """Like `add` and `advance`, for readings that are columns already."""
        outcome = np.zeros(readings.device.size, np.uint8)
        at = 0
        while at < outcome.size:
            at, count = ingest(
                self._grid,
                readings,
                outcome,
                self._due,
                start=at,
                arrived=arrived_ns,
                max_future=self._max_future,
            )
            yield from self._judge(count)
        self.readings += int(outcome.size)
        yield from self._refused(readings, outcome)

    def expire(self, now_ns: int) -> Iterator[Judged]:
        """Judge the windows whose last slot need wait no longer."""
        done = False
        while not done:
            done, count = expire(self._grid, self._due, now=now_ns)
            yield from self._judge(count)

    def resume(self, now_ns: int) -> None:
        """Count no silence before `now_ns`: the agent, not the devices, was away."""
        np.maximum(self._grid.arrived, now_ns, out=self._grid.arrived)

    def _judge(self, count: int) -> Iterator[Judged]:
        if not count:
            return
        device, coverage = self._due.device[:count], self._due.coverage[:count]
        scored = self._due.warm[:count] & (coverage >= self.bundle.manifest.min_coverage)
        fresh = self._fresh(device, scored)
        place = np.cumsum(scored) - 1
        if scored.any():
            scores = self._scorer.score(
                self._due.window[:count][scored],
                device[scored],
                self._due.slot[:count][scored],
                fresh[scored],
            )
        self.windows += int(scored.sum())
        period, span = self._grid.period, self.bundle.window
        nothing = np.empty(0, np.float32)
        for i in range(count):
            end_ns = (int(self._due.slot[i]) + 1) * period
            at = int(place[i]) if scored[i] else None
            # A reading near 3e38 leaves inf or NaN, which no alarm and no JSON can hold.
            score = math.nan if at is None else float(scores.score[at])
            yield Judged(
                device=self.devices[device[i]],
                start_ns=end_ns - span * period,
                end_ns=end_ns,
                coverage=float(coverage[i]),
                warm=bool(self._due.warm[i]),
                score=score if math.isfinite(score) else None,
                threshold=self._scorer.usual_threshold(int(device[i]))
                if at is None
                else float(scores.threshold[at]),
                deviation=nothing if at is None else scores.deviation[at],
                observed=nothing if at is None else scores.observed[at],
                expected=nothing if at is None else scores.expected[at],
                where_ns=None if at is None else self._where(scores, at, end_ns),
            )

    def _where(self, scores: Scores, at: int, end_ns: int) -> tuple[int, int] | None:
        """Start and end of what is to blame inside a window that is above its threshold."""
        if not scores.score[at] > scores.threshold[at]:
            return None  # nobody asks, and working it out takes time
        span = scores.where(at)
        if span is None:
            return None
        period = self._grid.period
        start_ns = end_ns - self.bundle.window * period
        return start_ns + span[0] * period, start_ns + (span[1] + 1) * period

    def prepare(self) -> None:
        """Do what can be done before the next readings arrive."""
        self._scorer.prepare()

    def _fresh(self, device: NDArray[np.int64], scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which windows are the first scored ones behind a gap, shape (B,)."""
        fresh = np.zeros(device.size, np.bool_)
        if scored.all() and not self._broken.any():
            return fresh
        for i, d in enumerate(device):
            fresh[i] = scored[i] and self._broken[d]
            self._broken[d] = not scored[i]
        return fresh

    def _refused(self, readings: Readings, outcome: NDArray[np.uint8]) -> Iterator[Refused]:
        if not outcome.any():  # ACCEPTED is 0: nearly always
            return
        for code in np.unique(outcome[outcome != ACCEPTED]):
            of_code = np.flatnonzero(outcome == code)
            first = of_code[0]
            yield Refused(
                outcome=int(code),
                count=of_code.size,
                device=self.devices[readings.device[first]],
                signal=self.signals[readings.signal[first]],
                t_ns=int(readings.t_ns[first]),
            )
