"""Readings to slots of each device's own time grid: in order, once, and never guessed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import ConfigError, PayloadError, StateError
from edge_anomaly.files.config import AGGREGATES, Input
from edge_anomaly.files.config import Model as Watch
from edge_anomaly.files.manifest import Manifest
from edge_kernels import (
    ACCEPTED,
    EMPTY,
    FUTURE,
    Due,
    Readings,
    end_hold,
    expire,
    forget_device,
    grid_state,
    ingest,
    new_due,
    new_grid,
    restore_grid,
    roomy,
    samples,
)

__all__ = ["Refused", "Timeline"]

OPEN_CELLS = 1 << 24  # readings that may wait for late ones: 200 MB
DAY_NS = 86_400 * 10**9
YEAR_NS = 365 * DAY_NS
BLOCK_SLOTS = 1 << 22  # that one block may span: closing them takes a good part of a second


@dataclass(frozen=True)
class Refused:
    """Readings that the grid did not take, by reason; the first of them as an example."""

    outcome: int  # LATE, DUPLICATE, FUTURE, CROWDED; RESTARTED ones are taken, and told
    count: int
    device: str
    signal: str
    t_ns: int


@dataclass(frozen=True)
class _End:
    """A device has said that these signals of it are gone."""

    row: int
    columns: NDArray[np.int64]


class Timeline:
    """The grid of one model's devices, and what waits to be placed on it.

    Attributes:
        due: Holds the windows of the step that `place` or `expire` yielded last.
        readings: Taken so far.
    """

    def __init__(
        self,
        manifest: Manifest,
        fill: NDArray[np.float32],
        watch: Watch,
        inputs: Sequence[Input],
        room: int,
    ) -> None:
        """An empty grid with room for the lateness that the config asks for.

        Raises:
            ConfigError: That would not fit in memory, or `aggregate` names a signal that
                the model does not know.
        """
        self._devices = manifest.devices
        self._signals = [signal.name for signal in manifest.signals]
        self.readings = 0
        size, period = len(self._devices), manifest.period_ns
        lateness = max(spec.lateness for spec in inputs)
        cells = (lateness // period + 2) * size * len(self._signals)
        if cells > OPEN_CELLS:
            raise ConfigError(
                f"a lateness of {lateness / 1e9:g} s keeps {cells} readings of "
                f"{watch.bundle} waiting; at most {OPEN_CELLS} fit",
                ("inputs", max(range(len(inputs)), key=lambda i: inputs[i].lateness), "lateness"),
            )
        self._grid = new_grid(
            fill,
            window=max(branch.window for branch in manifest.branches),
            period=period,
            hop=manifest.branches[0].hop,
            lateness=np.full(size, lateness),
            max_gap=np.full(size, max(spec.max_gap for spec in inputs)),
            how=self._how(watch),
        )
        self._max_future = max(spec.max_future for spec in inputs)
        self.due: Due = new_due(self._grid, room)
        self._waiting: list[tuple[Readings, bool] | _End] = []
        self._singles: list[tuple[int, int, int, float]] = []
        self._now_ns = EMPTY
        self._silent = np.zeros(size, np.bool_)  # and told so
        self._refused_ns = np.full(size, EMPTY)  # arrival of what is ahead of our clock
        self._suspected = np.zeros(size, np.bool_)  # of a wrong unit, and told

    def _how(self, watch: Watch) -> NDArray[np.uint8]:
        known = set(self._signals) | watch.signals.keys()
        for name in watch.aggregates.keys() - known - {"default"}:
            raise ConfigError(
                f"{watch.bundle} has no signal {name!r}", ("models", "aggregate", name)
            )
        named = {watch.signals.get(name, name): how for name, how in watch.aggregates.items()}
        default = named.get("default", "last")
        return np.array(
            [AGGREGATES.index(named.get(name, default)) for name in self._signals], np.uint8
        )

    @property
    def kernels(self) -> str:
        """The group of kernels that move it on, as `edge_kernels.warm` calls it."""
        return "means" if self._grid.how.any() else "grid"

    @property
    def period_ns(self) -> int:
        """Length of a slot."""
        return self._grid.period

    @property
    def skew_ns(self) -> dict[str, int]:
        """How far each device's newest reading was ahead of its arrival."""
        seen = np.flatnonzero(self._grid.newest != EMPTY)
        return {self._devices[row]: int(self._grid.skew[row]) for row in seen}

    def mistaken_units(self) -> Iterator[tuple[str, int, int]]:
        """Devices whose times would be of today in a larger unit: each is told once.

        Yields:
            The device, its newest time in ns, and how many times as much would be right.
        """
        grid = self._grid
        for row in np.flatnonzero((grid.skew < -YEAR_NS) & ~self._suspected).tolist():
            t_ns, arrived_ns = int(grid.newest[row]), int(grid.arrived[row])
            for factor in (10**3, 10**6, 10**9):
                if abs(t_ns * factor - arrived_ns) < DAY_NS:
                    self._suspected[row] = True
                    yield self._devices[row], t_ns, factor

    @property
    def newest_ns(self) -> dict[str, int]:
        """Time of the newest reading of each device that had one."""
        seen = np.flatnonzero(self._grid.newest != EMPTY)
        return {self._devices[row]: int(self._grid.newest[row]) for row in seen}

    def heard(self, row: int) -> bool:
        """Whether a reading of the device is in the grid."""
        return bool(self._grid.newest[row] != EMPTY)

    def forget(self, row: int) -> None:
        """Know of the device what was known before its first reading."""
        forget_device(self._grid, row)
        self._silent[row] = self._suspected[row] = False
        self._refused_ns[row] = EMPTY

    def overdue(self, now_ns: int, after_ns: int) -> Iterator[tuple[str, int]]:
        """Devices of which nothing has come for `after_ns`, each told once a silence.

        Yields:
            The device, and since when it is silent, by its own clock.
        """
        heard = np.maximum(self._grid.arrived, self._refused_ns)
        late = (heard != EMPTY) & (now_ns - heard >= after_ns)
        for row in np.flatnonzero(late & ~self._silent).tolist():
            yield self._devices[row], int(self._grid.newest[row])
        self._silent = late

    def add(self, row: int, column: int, t_ns: int, value: float) -> None:
        """Take a reading; it counts from the next `place` on."""
        self._singles.append((row, column, t_ns, value))

    def add_uncertain(self, row: int, column: int, t_ns: int, value: float) -> None:
        """Like `add`, for a reading that counts against the coverage."""
        self._gather()
        one = ([row], np.int64), ([column], np.int64), ([t_ns], np.int64), ([value], np.float32)
        self._waiting.append((Readings(*(np.array(*part) for part in one)), True))

    def add_block(
        self,
        row: int,
        columns: NDArray[np.int64],
        t_ns: int,
        step_ns: float,
        values: NDArray[np.float32],
        *,
        uncertain: bool = False,
    ) -> None:
        """Like `add`, for samples of some channels at a fixed rate.

        Args:
            row: The device.
            columns: The signal of each channel, shape (S,).
            t_ns: Time of the first sample.
            step_ns: Between samples.
            values: Shape (n, S); what is not finite is missing.
            uncertain: Whether they count against the coverage.

        Raises:
            PayloadError: The block spans more time than one message should.
        """
        span = step_ns * len(values)
        if not 0 < span < BLOCK_SLOTS * self._grid.period:
            raise PayloadError("bad_time", f"a block of {len(values)} samples in {span / 1e9:g} s")
        self._gather()
        try:
            readings = samples(row, columns, t_ns, step_ns, values)
        except ValueError as exc:
            raise PayloadError("bad_time", str(exc)) from exc
        finite = np.isfinite(readings.value)
        if not finite.all():
            device, signal, times, value = readings
            readings = Readings(device[finite], signal[finite], times[finite], value[finite])
        self._waiting.append((readings, uncertain))

    def end(self, row: int, columns: Sequence[int]) -> None:
        """What the device has sent of these signals is held no longer: it is gone."""
        self._gather()
        self._waiting.append(_End(row, np.array(columns, np.int64)))

    def advance(self, arrived_ns: int) -> Iterator[int | Refused]:
        """Place what was taken: numbers of windows in `due`, and readings not taken."""
        self._gather()
        waiting, self._waiting = self._waiting, []
        for part in waiting:
            if isinstance(part, _End):
                end_hold(self._grid, part.row, part.columns)
            else:
                yield from self.place(part[0], arrived_ns, uncertain=part[1])

    def place(
        self, readings: Readings, arrived_ns: int, *, uncertain: bool = False
    ) -> Iterator[int | Refused]:
        """Like `add` and `advance`, for readings that are columns already."""
        self._tell(arrived_ns)
        size = readings.device.size
        outcome = np.zeros(size, np.uint8)
        self._grid = roomy(self._grid, size)
        at = 0
        while at < size:
            at, count = ingest(
                self._grid,
                readings,
                outcome,
                self.due,
                start=at,
                arrived=arrived_ns,
                max_future=self._max_future,
                uncertain=np.ones(size if uncertain else 0, np.bool_),
            )
            if count:
                yield count
        self.readings += size
        if outcome.any():  # ACCEPTED is 0: nearly never
            self._refused_ns[readings.device[outcome == FUTURE]] = arrived_ns
            yield from self._refused(readings, outcome)

    def expire(self, now_ns: int) -> Iterator[int]:
        """Close the slots that need wait no longer: numbers of windows in `due`."""
        self._tell(now_ns)
        done = False
        while not done:
            done, count = expire(self._grid, self.due, now=now_ns)
            if count:
                yield count

    def resume(self, now_ns: int) -> None:
        """Count no silence before `now_ns`: the agent, not the devices, was away."""
        seen = self._grid.arrived != EMPTY
        self._grid.arrived[seen] = np.maximum(self._grid.arrived[seen], now_ns)

    def shift(self, by_ns: int) -> None:
        """The gateway's clock was set: silence goes on as if it had always been so."""
        seen = self._grid.arrived != EMPTY
        self._grid.arrived[seen] += by_ns
        self._refused_ns[self._refused_ns != EMPTY] += by_ns
        self._grid.behind_arrived[seen] += by_ns
        self._now_ns += by_ns if self._now_ns != EMPTY else 0

    def snapshot(self) -> dict[str, Any]:
        """All that the readings left behind."""
        return {
            "readings": self.readings,
            "now_ns": self._now_ns,
            "grid": grid_state(self._grid),
            "silent": self._silent.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `snapshot`.

        Raises:
            StateError: It is of another grid; nothing has changed.
        """
        try:
            readings, now_ns = int(state["readings"]), int(state["now_ns"])
            silent = np.array(state["silent"], np.bool_).reshape(self._silent.shape)
            self._grid = restore_grid(self._grid, dict(state["grid"]))
        except (KeyError, TypeError, ValueError) as exc:
            raise StateError(f"time grid: {exc}") from exc
        self.readings, self._now_ns, self._silent = readings, now_ns, silent

    def _tell(self, now_ns: int) -> None:
        """Know the time. It never runs backwards but when somebody sets the clock."""
        if now_ns < self._now_ns:
            self.shift(now_ns - self._now_ns)
        self._now_ns = now_ns

    def _gather(self) -> None:
        if not self._singles:
            return
        rows, columns, times, values = zip(*self._singles, strict=True)
        self._singles.clear()
        readings = Readings(
            np.array(rows, np.int64),
            np.array(columns, np.int64),
            np.array(times, np.int64),
            np.array(values, np.float32),
        )
        self._waiting.append((readings, False))

    def _refused(self, readings: Readings, outcome: NDArray[np.uint8]) -> Iterator[Refused]:
        for code in np.unique(outcome[outcome != ACCEPTED]):
            of_code = np.flatnonzero(outcome == code)
            first = of_code[0]
            yield Refused(
                outcome=int(code),
                count=of_code.size,
                device=self._devices[readings.device[first]],
                signal=self._signals[readings.signal[first]],
                t_ns=int(readings.t_ns[first]),
            )
