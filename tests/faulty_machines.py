"""Made-up machines: signals that move together, and faults put into what follows."""

from dataclasses import replace

import numpy as np

from edge_export.data.recordings import Cause, Recording, cut

__all__ = ["BROKEN", "FAULTS", "HEALTHY", "MINUTE", "ROWS", "WHOLE", "broken", "healthy", "noise"]

HEALTHY, ROWS = 1500, 400
MINUTE = 60 * 10**9
FAULTS = ((0, 12), (120, 150), (250, 262), (320, 322))  # rows of the test half
BROKEN = "pressure"


def noise(device: str, seed: int) -> Recording:
    """Four signals that two hidden ones drive, level and noise of the device's own."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(HEALTHY + ROWS, 2))
    values = 100 * seed + hidden @ rng.normal(size=(2, 4)) + rng.normal(0, 0.2, (len(hidden), 4))
    return Recording(
        device=device,
        t_ns=np.arange(len(hidden)) * MINUTE,
        signals=("flow", BROKEN, "temperature", "level"),
        values=values.astype(np.float32),
    )


def broken(whole: Recording) -> Recording:
    """What follows healthy time, with labelled faults of one signal."""
    after = cut(whole, HEALTHY * MINUTE, 2**62)
    values, labels = after.values.copy(), np.zeros(ROWS, np.bool_)
    column = after.signals.index(BROKEN)
    step = 12 * whole.values[:, column].std()
    causes = []
    for start, stop in FAULTS:
        values[start:stop, column] += step
        labels[start:stop] = True
        causes.append(Cause(int(after.t_ns[start]), int(after.t_ns[stop - 1]) + 1, (BROKEN,)))
    return replace(after, values=values, labels=labels, causes=tuple(causes))


def healthy(whole: Recording) -> Recording:
    """The time to learn from."""
    return cut(whole, 0, HEALTHY * MINUTE)


WHOLE = [noise(f"c-{i}", i) for i in (1, 2, 3)]
