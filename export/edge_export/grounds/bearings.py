"""Recordings of simulated bearings: healthy ones to learn from, damaged ones to find.

The generator is `edge_anomaly.plants.vibration`; snapshots are laid end to end, as from a
sensor that never pauses, each on the grid of snapshots.
"""

import numpy as np

from edge_anomaly.plants.vibration import BEARINGS, RATE, SNAPSHOT, Damage, snapshot
from edge_export.data.recordings import Recording

__all__ = ["PERIOD_NS", "SIGNALS", "recording"]

SIGNALS = tuple(f"bearing_{k + 1}" for k in range(BEARINGS))
PERIOD_NS = round(1e9 / RATE)


def recording(
    seed: int, n: int, damage: Damage | None = None, *, device: str = "shaft-1", first: int = 0
) -> Recording:
    """`n` snapshots of a machine, each drawn by itself.

    Args:
        seed: The same seed and damage give the same samples.
        n: How many.
        damage: None where all bearings are healthy; labelled where not.
        device: Whose.
        first: Number of the first snapshot; it decides their time, and what is drawn.
    """
    rngs = (np.random.default_rng([seed, i]) for i in range(first, first + n))
    values = np.concatenate([snapshot(rng, damage) for rng in rngs])
    t_ns = (first * SNAPSHOT + np.arange(len(values))) * PERIOD_NS
    labels = np.full(len(values), damage is not None)
    return Recording(device, t_ns, SIGNALS, values, labels)
