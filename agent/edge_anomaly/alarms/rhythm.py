"""Whether signals still keep the periods that they had when the model learnt them.

A day that has become a shift of eight hours changes no tenth of any signal, yet a model that
goes by the clock is wrong from then on. The bundle brings each signal's strongest period in
healthy time; it is looked for again in as many samples as hold several of the longest one.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import StateError
from edge_kernels import dominant_periods, spectrum

__all__ = ["PERIODS", "Beat", "Rhythm", "periods_of", "strongest_period"]

PERIODS = "reference.period_slots"
REPEATS = 6  # of the longest period, that are looked at together
SHAPE = 16  # samples of the shortest period
MOST = 4096  # samples that are kept
SHARE = 0.15  # of a signal's variance that its period must hold, to be one
SHIFT = 0.2  # of the period: below it is the same one, as far as a spectrum can tell


class Beat(NamedTuple):
    """What a comparison found of the signal that is furthest off."""

    signal: int
    before_ns: int
    now_ns: int

    @property
    def ratio(self) -> float:
        """Above 1 the change is told."""
        longer = max(self.before_ns, self.now_ns)
        return abs(self.before_ns - self.now_ns) / longer / SHIFT


def strongest_period(series: NDArray[Any]) -> float:
    """The period of a series in samples; 0 where none is strong enough to be one.

    Args:
        series: At a fixed rate, shape (n,), finite.
    """
    if series.size < 4 * SHAPE:
        return 0.0
    found = spectrum(series)
    [period] = dominant_periods(found, 1) or [0.0]
    if not period:
        return 0.0
    near = np.abs(found.period - period) <= SHIFT / 2 * period
    return period if found.power[near].sum() >= SHARE else 0.0


def periods_of(calibration: Mapping[str, NDArray[Any]], device: int) -> NDArray[np.float64] | None:
    """Each signal's period in slots, 0 for none; None where the bundle does not say, or has none.

    Shape (C,).
    """
    if PERIODS not in calibration:
        return None
    periods: NDArray[np.float64] = np.asarray(calibration[PERIODS][device], np.float64)
    return periods if periods.any() else None


class Rhythm:
    """Looks for one device's periods again."""

    def __init__(self, periods: NDArray[np.float64], slot_ns: int, hop: int = 1) -> None:
        """Begin to listen.

        Args:
            periods: Of each signal in slots, shape (C,); 0 for none.
            slot_ns: Length of a slot.
            hop: Slots from window to window: what is shorter than a few cannot be heard.
        """
        periods = np.where(periods >= SHAPE / 2 * hop, periods, 0.0)
        self._signals = np.flatnonzero(periods)
        self._before = periods[self._signals] * slot_ns
        shortest = periods[self._signals].min() if self._signals.size else float(hop)
        step = max(hop, int(shortest // SHAPE))
        longest = float(periods.max())
        step = max(step, int(np.ceil(REPEATS * longest / MOST)))
        self._step_ns = step * slot_ns
        self._room = max(1, int(np.ceil(REPEATS * longest / step)))
        self._every = max(1, int(longest / step))
        self._samples: deque[NDArray[np.float32]] = deque(maxlen=self._room)
        self._last: int | None = None  # number of the newest sample
        self._since = 0  # samples since the last comparison

    def add(self, t_ns: int, observed: NDArray[np.float32]) -> Beat | None:
        """Take a window's newest readings, (C,); the comparison, when one is due."""
        number = t_ns // self._step_ns
        if number == self._last or not self._signals.size:
            return None
        if self._last is not None and number != self._last + 1:
            self._samples.clear()  # behind a gap it begins anew
        self._last = number
        self._samples.append(observed[self._signals].astype(np.float32))
        self._since += 1
        if len(self._samples) < self._room or self._since < self._every:
            return None
        self._since = 0
        return self._compare()

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        shape = (len(self._samples), self._signals.size)
        samples = np.array(self._samples, np.float32).reshape(shape)
        return {"samples": samples, "last": self._last, "since": self._since}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none, or of other signals; nothing is changed.
        """
        try:
            samples = np.asarray(state["samples"], np.float32)
            last, since = state["last"], int(state["since"])
        except (KeyError, TypeError, ValueError) as exc:
            raise StateError(f"rhythm: {exc}") from exc
        if len(samples) and samples.shape[1:] != self._signals.shape:
            raise StateError(f"rhythm: samples of shape {samples.shape}")
        self._samples = deque(samples, maxlen=self._room)
        self._last, self._since = None if last is None else int(last), since

    def _compare(self) -> Beat | None:
        series = np.array(self._samples)
        beats = [
            Beat(int(signal), round(before), round(now * self._step_ns))
            for column, (signal, before) in enumerate(zip(self._signals, self._before, strict=True))
            if (now := strongest_period(series[:, column])) > 0
        ]
        return max(beats, key=lambda beat: beat.ratio, default=None)
