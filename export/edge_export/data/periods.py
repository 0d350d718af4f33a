"""The rhythm of recordings: which periods their signals repeat in, seen on the agent's grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Recording, signals_of
from edge_kernels import Spectrum, dominant_periods, spectrum

__all__ = ["Rhythm", "changed", "rhythm"]

SEPARATION = 0.25  # share by which two periods must differ: 96 and 95 slots are both the day
TOLERANCE = 0.1  # share by which a period may move before it is another one


@dataclass(frozen=True)
class Rhythm:
    """What a report shows: the spectrum, and the periods that were taken from it."""

    spectrum: Spectrum  # periods in slots; mean over signals and devices
    periods: tuple[float, ...]  # in slots, strongest first
    period_ns: int  # length of a slot
    differenced: bool  # of the steps from slot to slot

    def longest(self, limit: int) -> int | None:
        """The longest period of at most `limit` slots, rounded; None where there is none."""
        fit = [round(period) for period in self.periods if round(period) <= limit]
        return max(fit, default=None)


def rhythm(
    recordings: Sequence[Recording],
    period_ns: int,
    *,
    count: int = 3,
    differenced: bool = False,
    share: float = 1.0,
) -> Rhythm:
    """The periods of healthy time.

    Args:
        recordings: In time order within each device.
        period_ns: Length of a slot.
        count: How many periods at most.
        differenced: As published: of the steps from slot to slot, which favours fast
            harmonics. Else of what a straight trend leaves.
        share: First part of each device's time that is looked at: what is held out has no say.

    Raises:
        RecordingError: There is too little time to tell.
    """
    signals = signals_of(recordings)
    devices = dict.fromkeys(recording.device for recording in recordings)
    tables = [_slots(recordings, device, period_ns, share) for device in devices]
    length = min(len(table) for table in tables)
    if length < 3:  # noqa: PLR2004 - as `spectrum` needs
        raise RecordingError("too little time to tell a period")
    found = [
        spectrum(table[-length:, c], differenced=differenced)
        for table in tables
        for c in range(len(signals))
    ]
    mean = Spectrum(found[0].period, np.mean([one.power for one in found], axis=0))
    return Rhythm(
        mean, tuple(dominant_periods(mean, count, separation=SEPARATION)), period_ns, differenced
    )


def changed(before: Sequence[float], now: Sequence[float]) -> list[float]:
    """Periods of `before` that are no longer among those of `now`: train again with new ones."""
    return [
        period
        for period in before
        if not any(abs(period - other) <= TOLERANCE * period for other in now)
    ]


def _slots(
    recordings: Sequence[Recording], device: str, period_ns: int, share: float
) -> NDArray[np.float64]:
    """The newest value of each slot, older ones held, (n, C)."""
    mine = [recording for recording in recordings if recording.device == device]
    t_ns = np.concatenate([recording.t_ns for recording in mine])
    values = np.concatenate([recording.values for recording in mine]).astype(np.float64)
    rows = int(t_ns.size * share)
    slot = t_ns[:rows] // period_ns
    if not rows:
        return np.empty((0, values.shape[1]))
    values = _held(values[:rows])
    grid = np.arange(slot[0], slot[-1] + 1)
    newest = np.searchsorted(slot, grid, side="right") - 1
    filled: NDArray[np.float64] = values[newest]
    return filled


def _held(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN replaced by the value before it, or at the start by the first one."""
    there = np.isfinite(values)
    row = np.where(there, np.arange(len(values))[:, None], 0)
    last = np.maximum.accumulate(row, axis=0)
    first = np.where(there.any(axis=0), there.argmax(axis=0), 0)
    columns = np.arange(values.shape[1])
    out = values[np.maximum(last, first), columns]
    return np.nan_to_num(out)  # a signal that never spoke has no rhythm
