"""Recordings of devices, and the windows that a model sees of them.

Windows are cut by the agent's own grid, reading by reading, so that training and serving
cannot differ in how they hold values, fill gaps or count coverage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_kernels import Due, Grid, Readings, expire, ingest, new_due, new_grid

__all__ = [
    "Cause",
    "Recording",
    "Slicing",
    "Windows",
    "cut",
    "digest",
    "labels_of",
    "period_of",
    "signals_of",
    "windows",
]

ROOM = 4096  # windows taken off the grid at once
ROWS = 1 << 18  # rows put on it at once: a minute of vibration has millions


@dataclass(frozen=True)
class Cause:
    """An anomaly and the signals that an operator blamed for it."""

    start_ns: int
    end_ns: int  # exclusive
    signals: tuple[str, ...]


@dataclass(frozen=True)
class Recording:
    """What one device reported, as a table."""

    device: str
    t_ns: NDArray[np.int64]  # (n,) rising, since the epoch, UTC
    signals: tuple[str, ...]
    values: NDArray[np.float32]  # (n, C) engineering units; NaN where nothing was reported
    labels: NDArray[np.bool_] | None = None  # (n,) True where an operator saw an anomaly
    causes: tuple[Cause, ...] | None = None

    def __post_init__(self) -> None:
        n = self.t_ns.size
        if self.values.shape != (n, len(self.signals)):
            raise ValueError(f"values must be ({n}, {len(self.signals)}), got {self.values.shape}")
        if len(set(self.signals)) != len(self.signals):
            raise ValueError("a signal is named twice")
        if self.labels is not None and self.labels.shape != (n,):
            raise ValueError(f"labels must be ({n},), got {self.labels.shape}")
        if not (np.diff(self.t_ns) > 0).all():
            raise ValueError("times must rise")


@dataclass(frozen=True)
class Slicing:
    """How recordings are cut into windows; a bundle's manifest holds the same."""

    window: int  # slots of a window, >= 1
    period_ns: int  # length of a slot
    hop: int = 1  # slots from window to window
    max_gap_ns: int | None = None  # how long a value is held; None: five periods
    min_coverage: float = 0.8  # windows below it are left out: the agent does not score them


@dataclass(frozen=True)
class Windows:
    """Windows in the order in which they fall due, device after device."""

    window: NDArray[np.float32]  # (N, W, C) engineering units, oldest slot first
    device: NDArray[np.int64]  # (N,) index into the devices asked for
    slot: NDArray[np.int64]  # (N,) newest slot, in periods since the epoch
    coverage: NDArray[np.float32]  # (N,) share of cells that hold a reading young enough

    def __len__(self) -> int:
        return self.device.size

    def __getitem__(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Windows":
        """Some of the windows, in the order of `rows`."""
        return Windows(self.window[rows], self.device[rows], self.slot[rows], self.coverage[rows])


def windows(
    recordings: Sequence[Recording],
    slicing: Slicing,
    devices: Sequence[str],
    fill: NDArray[np.float32],
) -> Windows:
    """Windows of `recordings` as the agent would score them.

    Recordings of one device follow each other on one grid, so that the second begins
    with the context that the first left behind.

    Args:
        recordings: Of one set of signals; those of a device in time order.
        slicing: How to cut.
        devices: Names in the model's order, D of them; others are left out.
        fill: What stands in a cell before its signal's first reading, shape (D, C).

    Raises:
        ValueError: A size is not positive or a shape does not fit.
        RecordingError: Two recordings differ in their signals.
    """
    rows, signals = len(devices), signals_of(recordings)
    if fill.shape != (rows, len(signals)):
        raise ValueError(f"fill must be ({rows}, {len(signals)}), got {fill.shape}")
    max_gap = 5 * slicing.period_ns if slicing.max_gap_ns is None else slicing.max_gap_ns
    grid = new_grid(
        np.asarray(fill, np.float32),
        window=slicing.window,
        period=slicing.period_ns,
        lateness=np.zeros(rows, np.int64),
        max_gap=np.full(rows, max_gap),
        hop=slicing.hop,
    )
    blocks = [_copy(new_due(grid, 1), 0)]
    for row, device in enumerate(devices):
        for recording in recordings:
            if recording.device == device:
                blocks += _feed(grid, row, recording)
        blocks += _flush(grid)
    whole = Windows(
        window=np.concatenate([block.window for block in blocks]),
        device=np.concatenate([block.device for block in blocks]),
        slot=np.concatenate([block.slot for block in blocks]),
        coverage=np.concatenate([block.coverage for block in blocks]),
    )
    scored = whole.coverage >= slicing.min_coverage
    return whole if scored.all() else whole[scored]


def labels_of(
    seen: Windows, recordings: Sequence[Recording], devices: Sequence[str], period_ns: int
) -> NDArray[np.bool_]:
    """Whether the newest slot of each window was labelled an anomaly, shape (N,).

    For reports alone: nothing that trains or calibrates may call it.
    """
    out = np.zeros(len(seen), np.bool_)
    for row, device in enumerate(devices):
        marked = [
            recording.t_ns[recording.labels] // period_ns
            for recording in recordings
            if recording.device == device and recording.labels is not None
        ]
        if marked:
            mine = seen.device == row
            out[mine] = np.isin(seen.slot[mine], np.concatenate(marked))
    return out


def signals_of(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """The signals that all recordings have, in their order.

    Raises:
        RecordingError: There are no recordings, or two differ.
    """
    if not recordings:
        raise RecordingError("no recordings")
    first = recordings[0]
    for other in recordings[1:]:
        if other.signals != first.signals:
            raise RecordingError(
                f"the recording of {other.device} has the signals {', '.join(other.signals)}; "
                f"that of {first.device} has {', '.join(first.signals)}"
            )
    return first.signals


def period_of(recordings: Sequence[Recording]) -> int:
    """The usual time between rows over all recordings, ns.

    Raises:
        RecordingError: No recording has two rows.
    """
    steps = [np.diff(recording.t_ns) for recording in recordings if recording.t_ns.size > 1]
    if not steps:
        raise RecordingError("no recording has two rows, so that nothing tells the period")
    return int(np.median(np.concatenate(steps)))


def cut(recording: Recording, start_ns: int, end_ns: int) -> Recording:
    """The rows with start_ns <= t < end_ns; causes that overlap them are kept whole."""
    rows = slice(*np.searchsorted(recording.t_ns, [start_ns, end_ns]).tolist())
    causes = recording.causes
    return replace(
        recording,
        t_ns=recording.t_ns[rows],
        values=recording.values[rows],
        labels=None if recording.labels is None else recording.labels[rows],
        causes=None
        if causes is None
        else tuple(c for c in causes if c.start_ns < end_ns and c.end_ns > start_ns),
    )


def digest(recordings: Sequence[Recording]) -> str:
    """SHA-256 over devices, signals, times and values; labels have no part in a model."""
    total = sha256()
    for recording in recordings:
        total.update("\0".join((recording.device, *recording.signals)).encode())
        total.update(np.ascontiguousarray(recording.t_ns, "<i8").tobytes())
        total.update(np.ascontiguousarray(recording.values, "<f4").tobytes())
    return total.hexdigest()


def _feed(grid: Grid, row: int, recording: Recording) -> Iterator[Windows]:
    due = new_due(grid, ROOM)
    arrived = int(recording.t_ns[-1]) if recording.t_ns.size else 0
    for first in range(0, recording.t_ns.size, ROWS):
        values = recording.values[first : first + ROWS]
        at, signal = np.nonzero(np.isfinite(values))  # in time order
        readings = Readings(
            device=np.full(at.size, row),
            signal=signal,
            t_ns=recording.t_ns[first + at],
            value=values[at, signal],
        )
        outcome = np.zeros(at.size, np.uint8)
        start = 0
        while start < at.size:
            start, count = ingest(
                grid, readings, outcome, due, start=start, arrived=arrived, max_future=0
            )
            yield _copy(due, count)


def _flush(grid: Grid) -> Iterator[Windows]:
    """Close what the end of a recording leaves open, as the agent's timer would."""
    due, done = new_due(grid, ROOM), False
    now = int(grid.arrived.max(initial=0)) + grid.period
    while not done:
        done, count = expire(grid, due, now=now)
        yield _copy(due, count)


def _copy(due: Due, count: int) -> Windows:
    """The windows that the agent would score: those behind a whole window of history."""
    warm = np.flatnonzero(due.warm[:count])
    return Windows(
        window=due.window[warm],
        device=due.device[warm],
        slot=due.slot[warm],
        coverage=due.coverage[warm],
    )
