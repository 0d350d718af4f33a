"""Each device's time, split into a part to learn from and a later part held out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Recording, Slicing, Windows, cut, signals_of, windows

__all__ = ["Split", "split"]

Floats = NDArray[np.float32]

START, END = np.iinfo(np.int64).min, np.iinfo(np.int64).max
STILL = 0.01  # of its usual width: a signal that moved less counts as having stood still


@dataclass(frozen=True)
class Split:
    """Windows on both sides, none across, and each device's constants from the first part."""

    devices: tuple[str, ...]  # in the model's order
    signals: tuple[str, ...]
    fit: Windows
    held: Windows
    centre: Floats  # (D, C) middle of the training range, engineering units
    scale: Floats  # (D, C) width of the training range, > 0
    fill: Floats  # (D, C) median: what stands in for a signal not yet heard


def split(
    recordings: Sequence[Recording],
    slicing: Slicing,
    *,
    held_out: float,
    stride: int = 1,
    known: Floats | None = None,
) -> Split:
    """Split by rows, contiguously: the last `held_out` share of every device is held out.

    Args:
        recordings: Healthy time; labels are not looked at.
        slicing: How windows are cut.
        held_out: 0..1.
        stride: Hops between the windows to learn from; held-out windows come at every hop.
        known: Scales of other devices, shape (K, C): they say how wide a signal usually is
            where a device's own stood still.

    Raises:
        RecordingError: Signals differ, a device has no reading of one in its first part, or
            too little time for a window on both sides. Names device and signal.
    """
    signals = signals_of(recordings)
    devices = tuple(dict.fromkeys(recording.device for recording in recordings))
    parts = [_first_part(recordings, device, held_out) for device in devices]
    for device, part in zip(devices, parts, strict=True):
        silent = np.isnan(part.values).all(axis=0)
        if silent.any():
            name = signals[int(silent.argmax())]
            raise RecordingError(f"{device}: no reading of {name!r} in the time to learn from")
    lowest, highest, fill = (
        np.stack([how(part.values, axis=0) for part in parts]).astype(np.float32)
        for how in (np.nanmin, np.nanmax, np.nanmedian)
    )
    borders = {
        device: (int(part.t_ns[-1]) // slicing.period_ns + 1) * slicing.period_ns
        for device, part in zip(devices, parts, strict=True)
    }
    before = [cut(recording, START, borders[recording.device]) for recording in recordings]
    after = [cut(recording, borders[recording.device], END) for recording in recordings]
    return Split(
        devices=devices,
        signals=signals,
        fit=_windows(before, replace(slicing, hop=slicing.hop * stride), devices, fill),
        held=_windows(after, slicing, devices, fill),
        centre=((lowest + highest) / 2).astype(np.float32),
        scale=_scales(highest - lowest, known),
        fill=fill,
    )


def _first_part(recordings: Sequence[Recording], device: str, held_out: float) -> Recording:
    """All of the device's rows before the border, as one recording."""
    mine = [recording for recording in recordings if recording.device == device]
    t_ns = np.concatenate([recording.t_ns for recording in mine])
    values = np.concatenate([recording.values for recording in mine])
    rows = int(len(t_ns) * (1 - held_out))
    if not rows:
        raise RecordingError(f"{device}: no rows to learn from")
    try:
        return Recording(device, t_ns[:rows], mine[0].signals, values[:rows])
    except ValueError as exc:
        raise RecordingError(f"{device}: its recordings are not in time order: {exc}") from exc


def _windows(
    recordings: Sequence[Recording], slicing: Slicing, devices: Sequence[str], fill: Floats
) -> Windows:
    found = windows(recordings, slicing, devices, fill)
    counts = np.bincount(found.device, minlength=len(devices))
    if not counts.all():
        raise RecordingError(
            f"{devices[int(counts.argmin())]}: its time is too short or too full of gaps for "
            f"windows of {slicing.window} slots both to learn from and to hold out"
        )
    return found


def _scales(width: Floats, known: Floats | None) -> Floats:
    """Widths with a floor: where a signal stood still, how wide it is on other devices.

    A signal that stands still everywhere has no scale of its own; one unit is as good as any.
    """
    usual = (width if known is None else np.concatenate([known, width])).max(axis=0)
    usual = np.where(usual > 0, usual, 1).astype(np.float32)
    return np.where(width > STILL * usual, width, usual)
