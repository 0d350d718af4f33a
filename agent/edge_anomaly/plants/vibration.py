"""What accelerometers on a row of bearings hear, healthy and with one that fails; pure.

Twenty thousand samples a second of bearings on one shaft. A healthy bearing is noise, a
resonance of its own housing, one that all share, and harmonics of the shaft, of random
phase; loudness and speed wander from snapshot to snapshot. A damaged one adds a rhythm of
strikes that ring the shared resonance, faintly heard next door. Everything a model could
find too easily is left out: no level, no phase and no file gives the fault away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEARINGS", "RATE", "SNAPSHOT", "Damage", "snapshot", "snapshots"]

RATE = 20_000.0  # samples a second
BEARINGS = 4
SNAPSHOT = 9216  # samples: eight windows of 2048 at a stride of 1024

SHAFT_HZ, STRIKES_HZ = 33.3, 236.0  # of the shaft, and of the balls over the damage
HARMONICS = np.array([0.5, 0.3, 0.15, 0.1])
NEXT, FAR = 0.25, 0.1  # how much of a strike the neighbours and the others hear
LEAD = 512  # samples in which a resonance forgets how it began

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Damage:
    """A bearing that fails, as far as it is."""

    bearing: int  # 0 .. BEARINGS - 1
    rms: float  # of its strikes; a healthy bearing's whole noise is about 1

    @classmethod
    def at(cls, bearing: int, decibel: float) -> "Damage":
        """Damage of a level: 20 log10 of its RMS over that of healthy noise."""
        return cls(bearing, float(10 ** (decibel / 20)))

    def __post_init__(self) -> None:
        if not 0 <= self.bearing < BEARINGS or not self.rms >= 0:
            raise ValueError(f"no such damage: bearing {self.bearing}, rms {self.rms}")


def snapshot(
    rng: np.random.Generator, damage: Damage | None = None, *, samples: int = SNAPSHOT
) -> NDArray[np.float32]:
    """One stretch of time of all bearings, (samples, BEARINGS).

    The healthy part is drawn first, so that the same `rng` gives the same one under any damage.

    Args:
        rng: Drawn from.
        damage: None where all are healthy.
        samples: At RATE, >= 1.
    """
    shaft_hz = SHAFT_HZ * (1 + 0.002 * rng.standard_normal())
    heard = np.empty((samples, BEARINGS))
    for k in range(BEARINGS):
        heard[:, k] = _healthy(rng, k, shaft_hz, samples)
    heard *= np.exp(0.08 * rng.standard_normal(BEARINGS))  # loudness of each
    if damage is not None:
        strikes = damage.rms * _unit(_strikes(rng, STRIKES_HZ * shaft_hz / SHAFT_HZ, samples))
        distance = np.abs(np.arange(BEARINGS) - damage.bearing)
        heard += strikes[:, None] * np.array([1.0, NEXT, FAR, FAR])[distance]
    return heard.astype(np.float32)


def snapshots(seed: int, n: int, damage: Damage | None = None) -> NDArray[np.float32]:
    """`n` snapshots of a machine, each drawn by itself, (n, SNAPSHOT, BEARINGS)."""
    return np.stack([snapshot(np.random.default_rng([seed, i]), damage) for i in range(n)])


def _healthy(rng: np.random.Generator, k: int, shaft_hz: float, samples: int) -> Doubles:
    white = rng.standard_normal(samples)
    housing = _ring(rng.standard_normal(LEAD + samples), 2200 + 150 * k, 900)[LEAD:]
    shared = _ring(rng.standard_normal(LEAD + samples), 4500, 1200)[LEAD:]
    noise = 0.75 * white + 0.45 * _unit(housing) + 0.25 * _unit(shared)
    turns = 2 * np.pi * shaft_hz * np.arange(samples) / RATE
    phase = rng.uniform(0, 2 * np.pi, HARMONICS.size)
    order = np.arange(1, HARMONICS.size + 1)
    shaft = np.sin(turns[:, None] * order + phase) @ HARMONICS
    return 0.8 * _unit(noise) + 0.6 * _unit(shaft)


def _strikes(rng: np.random.Generator, hertz: float, samples: int) -> Doubles:
    """Strikes of uneven force and rhythm that ring the shared resonance."""
    period = RATE / hertz
    n = int((LEAD + samples) / period * 1.2) + 8
    at = np.cumsum(period * (1 + 0.01 * rng.standard_normal(n))) - rng.uniform(0, period)
    force = 1 + 0.2 * rng.standard_normal(n)
    train = np.zeros(LEAD + samples)
    inside = (at >= 0) & (at < train.size)
    np.add.at(train, at[inside].astype(np.int64), force[inside])
    return _ring(train, 4500, 600)[LEAD:]


def _ring(x: Doubles, hertz: float, width: float) -> Doubles:
    """`x` through a resonance: an autoregression of order two, `width` Hz wide."""
    size = x.size + LEAD  # by FFT, padded until it has died away
    radius = np.exp(-np.pi * width / RATE)
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    poles = 1 - 2 * radius * np.cos(2 * np.pi * hertz / RATE) * z + radius**2 * z**2
    rung: Doubles = np.fft.irfft(np.fft.rfft(x, size) / poles, size)[: x.size]
    return rung


def _unit(x: Doubles) -> Doubles:
    scaled: Doubles = x / x.std()
    return scaled
