"""What healthy time looked like: what the agent's watchdogs over drift and sensors go by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.alarms.drift import bin_shares, tenths
from edge_anomaly.alarms.rhythm import PERIODS, strongest_period
from edge_anomaly.files.bundle import Manifest
from edge_export.data.recordings import Recording, Windows

__all__ = ["FEWEST", "healthy_periods", "healthy_reference", "longest_still"]

GAP = 3  # slots without a reading, beyond which a stretch ends
FEWEST = 50  # windows that share no reading; fewer are no distribution


def healthy_reference(
    manifest: Manifest,
    held: Windows,
    score: NDArray[np.float32],
    learnt: Windows,
) -> dict[str, NDArray[Any]]:
    """Tenths of the scores and of each input, and the shares between them.

    Scores are those of held-out windows, since those of windows that a model learnt from are
    too small; inputs are of all healthy time. Windows count that share no reading.

    Args:
        manifest: Devices D, signals C, and how long a window is.
        held: N windows that the model did not learn from, in time order within each device.
        score: Of each, shape (N,).
        learnt: The windows that it learnt from.

    Returns:
        `reference.edges` (D, 9, 1 + C), `reference.shares` (D, 10, 1 + C) and
        `reference.windows` (D,): 0 where a device has too few, and is not watched.
    """
    length = max(branch.window for branch in manifest.branches)
    edges, shares, counts = [], [], []
    for device in range(len(manifest.devices)):
        mine = _apart(held, np.flatnonzero(held.device == device), length)
        other = _apart(learnt, np.flatnonzero(learnt.device == device), length)
        inputs = np.concatenate([held.window[mine, -1], learnt.window[other, -1]])
        of_score = _described(score[mine, np.newaxis])
        of_inputs = _described(inputs)
        edges.append(np.concatenate([of_score[0], of_inputs[0]], axis=1))
        shares.append(np.concatenate([of_score[1], of_inputs[1]], axis=1))
        counts.append(len(mine) if len(mine) >= FEWEST else 0)
    return {
        "reference.edges": np.stack(edges).astype(np.float32),
        "reference.shares": np.stack(shares).astype(np.float32),
        "reference.windows": np.array(counts, np.int64),
    }


def longest_still(recordings: Sequence[Recording], devices: Sequence[str]) -> NDArray[np.int64]:
    """How long each signal read the same at a stretch: beyond a multiple of it, it is stuck.

    Args:
        recordings: Of one set of signals, healthy.
        devices: Names, D of them.

    Returns:
        ns, shape (D, C); -1 for a signal of which there are not two readings.
    """
    longest = np.full((len(devices), len(recordings[0].signals)), -1, np.int64)
    for recording in recordings:
        if recording.device not in devices:
            continue
        row = list(devices).index(recording.device)
        for column, values in enumerate(recording.values.T):
            told = np.isfinite(values)
            times, read = recording.t_ns[told], values[told]
            if times.size > 1:
                begins = np.flatnonzero(np.concatenate([[True], read[1:] != read[:-1]]))
                ends = np.append(begins[1:], times.size) - 1
                longest[row, column] = max(
                    longest[row, column], int((times[ends] - times[begins]).max())
                )
    return longest


def healthy_periods(manifest: Manifest, recordings: Sequence[Recording]) -> dict[str, NDArray[Any]]:
    """Each signal's strongest period in healthy time.

    Args:
        manifest: Devices D, signals C, and the length of a slot.
        recordings: Healthy time; of each device the longest stretch without a long gap counts.

    Returns:
        `reference.period_slots` (D, C) float32; 0 where a signal has none.
    """
    names = [signal.name for signal in manifest.signals]
    periods = np.zeros((len(manifest.devices), len(names)), np.float32)
    longest = np.zeros(len(manifest.devices), np.int64)
    for recording in recordings:
        row = manifest.devices.index(recording.device)
        slots = recording.t_ns // manifest.period_ns
        pieces = np.split(np.arange(slots.size), np.flatnonzero(np.diff(slots) > GAP) + 1)
        piece = max(pieces, key=len)
        if len(piece) <= longest[row]:
            continue
        longest[row] = len(piece)
        at = np.arange(slots[piece[0]], slots[piece[-1]] + 1)
        for column, name in enumerate(names):
            values = recording.values[piece, recording.signals.index(name)]
            there = np.isfinite(values)
            periods[row, column] = 0.0
            if there.sum() > len(piece) // 2:
                series = np.interp(at, slots[piece][there], values[there])
                periods[row, column] = strongest_period(series)
    return {PERIODS: periods}


def _described(values: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    if not len(values):
        return np.zeros((9, values.shape[1])), np.zeros((10, values.shape[1]))
    # In the agent's own precision: a value on an edge must fall on the same side there.
    edges = tenths(values).astype(np.float32)
    return edges, bin_shares(values, edges)


def _apart(windows: Windows, rows: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Those of `rows` whose windows share no slot with the one before."""
    kept: list[int] = []
    last: int | None = None
    for row, slot in zip(rows.tolist(), windows.slot[rows].tolist(), strict=True):
        if last is None or abs(slot - last) >= length:
            kept.append(row)
            last = slot
    return np.array(kept, np.intp)
