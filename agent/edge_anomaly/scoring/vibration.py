"""Stages for vibration: `spectrum` before a graph, `lines` behind it."""

from collections.abc import Callable

import numpy as np

from edge_anomaly.scoring.batch import Batch, Floats, Part, Step
from edge_kernels import spectra, strongest_lines

__all__ = ["lines", "loudness", "spectrum"]

SECOND_NS = 1e9


def spectrum(part: Part) -> Callable[[Floats], Floats]:
    """A block of raw samples as log power and log envelope spectra, (B, W, C) -> (B, F, C)."""
    segment, step = int(part.parameter("segment")), int(part.parameter("step"))
    low, high = part.parameter("band")
    rate = SECOND_NS / part.manifest.period_ns
    window = 0 if part.branch is None else part.branch.window
    if not (0 <= low < high and low < rate / 2):
        raise part.refuse(f"has no band of {low} to {high} Hz at {rate:g} samples a second")
    if segment % 2 or segment > window:
        raise part.refuse(f"takes even segments within {window} samples, not {segment}")
    return lambda block: spectra(block, rate=rate, band=(low, high), segment=segment, step=step)


def lines(part: Part) -> Step:
    """Per signal: mean square of the residuals and its strongest envelope lines, both judged.

    (B, F, C) -> (B, 2, C) in deviations from their own healthy means. The lines are the first
    ones of the second half of F, as `spectrum` leaves them.
    """
    d, c = part.devices, part.signals
    mean, deviation = part.constant("mean", (d, None, c)), part.constant("deviation", (d, None, c))
    usual, spread = part.constant("usual", (d, 2, c)), part.constant("spread", (d, 2, c))
    loud = part.constant("loudness", (d, c))
    k = int(part.parameter("largest"))
    if mean.shape != deviation.shape or not (deviation > 0).all() or not (spread > 0).all():
        raise part.refuse("has a deviation that is not positive or of another shape")

    def step(tracks: Floats, batch: Batch) -> Floats:
        device = batch.device
        found = strongest_lines(tracks, device, mean, deviation, first=tracks.shape[1] // 2, k=k)
        judged: Floats = (found - usual[device]) / spread[device]
        batch.deviation = judged.max(axis=1)
        batch.value, batch.usual = loudness(batch.window), loud[device]
        return judged

    return step


def loudness(block: Floats) -> Floats:
    """Standard deviation of each channel, what a vibration meter shows, (B, W, C) -> (B, C)."""
    found: Floats = block.std(axis=1, dtype=np.float64).astype(np.float32)
    return found
