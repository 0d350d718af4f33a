"""Faults put into a year of load, one of each of eight kinds, the same for the same seed.

One event a kind, a day of free space around each, none on the first or last test day, none where
the figures do not look. Sizes are in widths Q of the load (95th less 5th percentile of the training
days). What is labelled is what a person could see: a shifted day is wrong only where it differs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_export.data.recordings import Recording
from edge_export.grounds.power import DAY, SATURDAY, TEST, PowerGround

__all__ = ["CHOICE", "CONFIRMATION", "Fault", "FaultyYear", "Kind", "inject"]

CHOICE, CONFIRMATION = (
    1000,
    5000,
)  # first seeds: recipes were chosen on the one, confirmed on the other

TRIES = 10_000
VISIBLE = 0.1  # of Q: a change below it is no fault that anyone could see
SUNDAY = 6
WORK = slice(8 * DAY // 24, 17 * DAY // 24)

Floats = NDArray[np.float64]
Span = tuple[int, int]  # first slot, slot after the last


class Kind(StrEnum):
    """What goes wrong."""

    PHASE = "phase"  # the day begins hours early or late
    SHIFT = "shift"  # worked on a Sunday, or not on a weekday
    DRIFT = "drift"  # grows, then is repaired
    SPIKES = "spikes"
    LEVEL = "level"
    FLAT = "flat"  # zero, or the last good value for hours
    AMPLITUDE = "amploss"  # swings less around its mean
    FREQUENCY = "freq"  # runs at half or twice its speed


@dataclass(frozen=True)
class Fault:
    """What is wrong from slot `start` up to slot `end`, not included."""

    kind: Kind
    start: int
    end: int


@dataclass(frozen=True)
class FaultyYear:
    """A ground's recording with faults and labels."""

    recording: Recording
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class _Change:
    """New values from slot `at` on, and which of them count as the fault."""

    at: int
    values: Floats
    wrong: NDArray[np.bool_]


def inject(ground: PowerGround, seed: int) -> FaultyYear:
    """The test days of `ground` with one fault of each kind.

    Args:
        ground: A year.
        seed: `CHOICE` + i or `CONFIRMATION` + i for the published figures.

    Raises:
        ValueError: The days leave no room for a kind.
    """
    year = _Year(ground, np.random.default_rng(seed))
    values, labels = ground.values, np.zeros(ground.ignored.size, np.bool_)
    faults = []
    for kind in Kind:  # whole days first, while there is room for them
        change = year.place(kind)
        end = change.at + change.values.size
        values[change.at : end] = np.maximum(change.values, 0)
        where = np.flatnonzero(change.wrong)
        start, stop = change.at + int(where[0]), change.at + int(where[-1]) + 1
        labels[start:stop] = True
        faults.append(Fault(kind, start, stop))
    recording = replace(ground.recording, values=values[:, None].astype(np.float32), labels=labels)
    return FaultyYear(recording, tuple(faults))


class _Year:
    """Draws places and shapes; the order of the draws is what a seed stands for."""

    def __init__(self, ground: PowerGround, rng: np.random.Generator) -> None:
        self.rng = rng
        self.load = ground.values
        self.width = ground.width
        self._ignored = ground.ignored
        self._taken = np.zeros(self.load.size, np.bool_)
        usable = [d for d in TEST[1:-1] if not ground.ignored[d * DAY : (d + 1) * DAY].any()]
        self._weekdays = [d for d in usable if ground.weekday[d] < SATURDAY]
        self._sundays = [d for d in usable if ground.weekday[d] == SUNDAY]

    def place(self, kind: Kind) -> _Change:
        """A change of this kind that has room and can be seen."""
        for _ in range(TRIES):
            change = _SHAPES[kind](self)
            if change is not None and change.wrong.any():
                self._taken[change.at : change.at + change.values.size] = True
                return change
        raise ValueError(f"no room for a fault of kind {kind}")

    def segment(self, shortest: int, longest: int, *, least_swing: float = 0.0) -> Span | None:
        """A free stretch whose standard deviation is at least `least_swing` widths."""
        length = int(self.rng.integers(shortest, longest + 1))
        at = int(self.rng.integers((TEST.start + 1) * DAY, (TEST.stop - 1) * DAY - length))
        span = self._free(at, at + length)
        if span is None or self.load[slice(*span)].std() < least_swing * self.width:
            return None
        return span

    def whole_day(self) -> Span | None:
        """A normal weekday."""
        day = int(self.rng.choice(self._weekdays))
        return self._free(day * DAY, (day + 1) * DAY)

    def exchanged_shift(self) -> tuple[Span, Span] | None:
        """The working hours of a Sunday and of a weekday to take their place, or vice versa."""
        if self.rng.random() < 0.3:  # noqa: PLR2004 - the benchmark's share of missing shifts
            day, donor = self.rng.choice(self._weekdays), self.rng.choice(self._sundays)
        else:
            day, donor = self.rng.choice(self._sundays), self.rng.choice(self._weekdays)
        mine, other = ((int(d) * DAY + WORK.start, int(d) * DAY + WORK.stop) for d in (day, donor))
        free = self._free(*mine)
        return None if free is None else (free, other)

    def amount(self, lowest: float, highest: float) -> float:
        """A size in the load's units, drawn in widths."""
        return float(self.rng.uniform(lowest, highest)) * self.width

    def coin(self) -> bool:
        """True half the time."""
        return bool(self.rng.random() < 0.5)  # noqa: PLR2004 - half

    def visible(self, span: Span, values: Floats) -> _Change:
        """A change that is wrong where it differs from what was there."""
        differs = np.abs(np.maximum(values, 0) - self.load[slice(*span)])
        return _Change(span[0], values, differs >= VISIBLE * self.width)

    def _free(self, start: int, end: int) -> Span | None:
        """The span, if it and a day around it are free and it is in sight."""
        first, last = (TEST.start + 1) * DAY, (TEST.stop - 1) * DAY
        if start < first or end > last or self._ignored[start:end].any():
            return None
        return None if self._taken[start - DAY : end + DAY].any() else (start, end)


def _whole(span: Span, values: Floats) -> _Change:
    return _Change(span[0], values, np.ones(values.size, np.bool_))


def _phase(year: _Year) -> _Change | None:
    span = year.whole_day()
    if span is None:
        return None
    late = int(year.rng.integers(8, 17)) * (1 if year.coin() else -1)  # 2 to 4 hours
    return year.visible(span, year.load[span[0] - late : span[1] - late])


def _shift(year: _Year) -> _Change | None:
    spans = year.exchanged_shift()
    return None if spans is None else year.visible(spans[0], year.load[slice(*spans[1])])


def _drift(year: _Year) -> _Change | None:
    span = year.segment(64, 144)
    if span is None:
        return None
    ramp = np.linspace(0, year.amount(0.3, 0.6), span[1] - span[0])
    wrong = ramp >= VISIBLE * year.width
    return _Change(span[0], year.load[slice(*span)] + ramp, wrong)


def _spikes(year: _Year) -> _Change | None:
    span = year.segment(8, 24)
    if span is None:
        return None
    values = year.load[slice(*span)]
    values = values.copy()
    count = min(int(year.rng.integers(3, 9)), values.size // 2)
    where = year.rng.choice(values.size, count, replace=False)
    for i in where:
        height = year.amount(0.5, 1.0)
        up = year.coin() or values[i] < height
        values[i] += height if up else -height
    wrong = np.zeros(values.size, np.bool_)
    wrong[where] = True
    return _Change(span[0], values, wrong)


def _level(year: _Year) -> _Change | None:
    span = year.segment(16, 48)
    if span is None:
        return None
    values, step = year.load[slice(*span)], year.amount(0.25, 0.5)
    down = year.coin() and values.min() > step
    return _whole(span, values - step if down else values + step)


def _flat(year: _Year) -> _Change | None:
    span = year.segment(12, 48, least_swing=0.08)
    if span is None:
        return None
    value = 0.0 if year.coin() else year.load[span[0] - 1]
    return _whole(span, np.full(span[1] - span[0], value))


def _amplitude(year: _Year) -> _Change | None:
    span = year.segment(32, 96, least_swing=0.12)
    if span is None:
        return None
    values, left = year.load[slice(*span)], float(year.rng.uniform(0.1, 0.4))
    return _whole(span, values.mean() + left * (values - values.mean()))


def _frequency(year: _Year) -> _Change | None:
    span = year.segment(48, 96, least_swing=0.12)
    if span is None:
        return None
    speed = 0.5 if year.coin() else 2.0
    at = span[0] + np.arange(span[1] - span[0]) * speed
    return year.visible(span, np.interp(at, np.arange(year.load.size), year.load))


_SHAPES: Mapping[Kind, Callable[[_Year], _Change | None]] = {
    Kind.PHASE: _phase,
    Kind.SHIFT: _shift,
    Kind.DRIFT: _drift,
    Kind.SPIKES: _spikes,
    Kind.LEVEL: _level,
    Kind.FLAT: _flat,
    Kind.AMPLITUDE: _amplitude,
    Kind.FREQUENCY: _frequency,
}
