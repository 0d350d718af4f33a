"""Four coupled signals around levels that differ from device to device."""

import numpy as np

from edge_export.data.recordings import Recording

__all__ = ["SIGNALS", "record"]

SECOND = 10**9
SIGNALS = ("flow", "pressure", "temperature", "level")


def record(device: str, seed: int, rows: int = 600) -> Recording:
    rng = np.random.default_rng(seed)
    phase = np.arange(rows)[:, None] / np.array([17.0, 29.0, 53.0, 23.0])
    values = 10.0 * seed + np.sin(phase) * [1, 5, 0.2, 40] + rng.normal(0, 0.05, (rows, 4))
    return Recording(
        device=device,
        t_ns=1_700_000_000 * SECOND + np.arange(rows) * 60 * SECOND,
        signals=SIGNALS,
        values=values.astype(np.float32),
    )
