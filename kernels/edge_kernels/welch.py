"""Vibration as spectra: what a block of raw samples sounds like, one block a device.

Two halves a channel, both averaged over the block before the logarithm, since a single
window's log-periodogram scatters by 1.2 a line and hides what an average shows:

- *power*: Welch's method (Welch 1967) with Hann windows, each less its mean;
- *envelope*: the same of the amplitude of a band of high frequencies, the magnitude of its
  analytic signal over its own mean. A damaged bearing strikes resonances of the machine at
  the rate at which its balls pass; the strikes are faint in the power and lines here. The
  band's edges are soft, half a sine: a resonance of the machine on a hard edge drowns them
  (recall at -13 dB .72 with a hard edge, .96 with a soft one).

No shaft speed and no geometry enter. Plain numpy, whose FFT takes any length.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["spectra"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FLOOR = 1e-20  # power of a line that is not there, so that its logarithm is


def spectra(
    block: Floats, *, rate: float, band: tuple[float, float], segment: int, step: int
) -> Floats:
    """Log power and log envelope spectra of each channel.

    Both leave out the line at 0 Hz: line i, from 0, lies at (i + 1) * rate / segment.

    Args:
        block: Raw samples in any unit u, shape (B, W, C), W >= segment.
        rate: Samples a second, > 0.
        band: What the envelope is of, Hz, 0 <= low < high; it counts most in its middle, and
            what lies beyond rate / 2 is not there.
        segment: Samples of one of Welch's windows, even, >= 2; gives segment / 2 lines.
        step: Samples from window to window, >= 1; half a segment is usual. What is left
            at the end of the block is left out of the averages.

    Returns:
        Shape (B, segment, C): natural logarithms of the power density, u^2 / Hz, then of the
        envelope's, 1 / Hz, segment / 2 lines each, none below log(1e-20). A channel with a
        sample that is not finite is NaN throughout and disturbs no other; one that stands
        still lies at the floor.

    Raises:
        ValueError: A size or the band is out of range, or the block is shorter than a
            segment.
    """
    if block.ndim != 3:
        raise ValueError(f"block must be (B, W, C), got {block.shape}")
    if segment < 2 or segment % 2 or step < 1:
        raise ValueError(f"segment must be even and step positive, got {segment}, {step}")
    if block.shape[1] < segment:
        raise ValueError(f"a block of {block.shape[1]} samples holds no segment of {segment}")
    if not (rate > 0 and 0 <= band[0] < band[1]) or band[0] >= rate / 2:
        raise ValueError(f"no band of {band} Hz at {rate} samples a second")
    out = np.empty((block.shape[0], segment, block.shape[2]), np.float32)
    half = segment // 2
    welch = _welch(segment, step, rate)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for samples, lines in zip(block, out, strict=True):  # one at a time: it fits the cache
            channels = samples.T.astype(np.float64)  # (C, W)
            lines[:half] = _log(welch(channels)).T
            lines[half:] = _log(welch(_envelope(channels, rate, band))).T
    return out


def _welch(segment: int, step: int, rate: float) -> Callable[[Doubles], Doubles]:
    """Power density of each channel but at 0 Hz, (C, W) -> (C, segment / 2)."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)
    scale = np.full(segment // 2, 2 / (rate * (window**2).sum()))
    scale[-1] /= 2  # the line at rate / 2 has no twin on the negative side

    def density(channels: Doubles) -> Doubles:
        pieces = np.lib.stride_tricks.sliding_window_view(channels, segment, axis=1)[:, ::step]
        centred = (pieces - pieces.mean(axis=2, keepdims=True)) * window  # (C, n, segment)
        found = np.fft.rfft(centred, axis=2)[:, :, 1:]
        power: Doubles = (found.real**2 + found.imag**2).mean(axis=1) * scale
        return power

    return density


def _envelope(channels: Doubles, rate: float, band: tuple[float, float]) -> Doubles:
    """Magnitude of the analytic signal of the band over its mean, less 1, (C, W)."""
    samples = channels.shape[1]
    centred = channels - channels.mean(axis=1, keepdims=True)
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    place = ((frequency - band[0]) / (band[1] - band[0])).clip(0, 1)
    analytic = np.zeros((len(channels), samples), np.complex128)
    analytic[:, : frequency.size] = np.fft.rfft(centred, axis=1) * np.sin(np.pi * place)
    magnitude = np.abs(np.fft.ifft(analytic, axis=1))
    mean = magnitude.mean(axis=1, keepdims=True)
    still = mean <= np.sqrt(FLOOR) * (1 + np.abs(channels).max(axis=1, keepdims=True))
    return np.where(still, 0.0, magnitude / np.where(still, 1.0, mean) - 1)


def _log(power: Doubles) -> Doubles:
    logs: Doubles = np.log(np.maximum(power, FLOOR))  # NaN stays NaN
    return logs
