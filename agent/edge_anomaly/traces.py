"""The newest readings of each device beside what its model expected, for the page's charts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.monitor import Judged

__all__ = ["CELLS", "Traces"]

CELLS = 4 << 20  # floats of all devices together: 16 MB
LONGEST = 480  # windows of a device
SHORTEST = 32


class _Ring:
    """Windows of one device."""

    def __init__(self, room: int, signals: int) -> None:
        self.t_ms = np.zeros(room, np.int64)
        self.observed = np.full((room, signals), np.nan, np.float32)
        self.expected = np.full((room, signals), np.nan, np.float32)
        self.deviation = np.zeros(signals, np.float32)
        self.window_ms: tuple[int, int] | None = None
        self.count = 0


class Traces:
    """Takes every window that was scored; bounded in memory, whatever the number of devices."""

    def __init__(self, bundles: list[tuple[Bundle, list[str]]]) -> None:
        """Make room.

        Args:
            bundles: Each with the devices that it watches.
        """
        cells = sum(2 * len(bundle.signals) * len(devices) for bundle, devices in bundles)
        room = max(SHORTEST, min(LONGEST, CELLS // max(cells, 1)))
        self._signals = {
            device: [(signal.name, signal.unit) for signal in bundle.manifest.signals]
            for bundle, devices in bundles
            for device in devices
        }
        self._rings = {device: _Ring(room, len(names)) for device, names in self._signals.items()}

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        rings = self._rings.values()
        return sum(ring.observed.nbytes * 2 + ring.t_ms.nbytes for ring in rings)

    def add(self, window: Judged) -> None:
        """Take a window."""
        ring = self._rings.get(window.device)
        if ring is None or window.score is None:
            return
        at = ring.count % ring.t_ms.size
        ring.t_ms[at] = window.end_ns // 1_000_000
        ring.observed[at] = window.observed
        ring.expected[at] = window.expected
        ring.deviation = window.deviation
        ring.window_ms = window.start_ns // 1_000_000, window.end_ns // 1_000_000
        ring.count += 1

    def forget(self, name: str) -> None:
        """Drop what a device has sent."""
        ring = self._rings.get(name)
        if ring is not None:
            self._rings[name] = _Ring(ring.t_ms.size, len(self._signals[name]))

    def device(self, name: str) -> dict[str, Any] | None:
        """The signals of a device over time, oldest first; None where there are none."""
        ring = self._rings.get(name)
        if ring is None or not ring.count:
            return None
        room = ring.t_ms.size
        order = np.arange(max(0, ring.count - room), ring.count) % room
        excess = np.maximum(ring.deviation, 0.0)
        share = excess / max(float(excess.sum()), 1e-12)
        return {
            "t_ms": ring.t_ms[order].tolist(),
            "window_ms": ring.window_ms,
            "signals": [
                {
                    "name": signal,
                    "unit": unit,
                    "share": round(float(share[column]), 4),
                    "observed": _plain(ring.observed[order, column]),
                    "expected": _plain(ring.expected[order, column]),
                }
                for column, (signal, unit) in enumerate(self._signals[name])
            ],
        }


def _plain(values: NDArray[np.float32]) -> list[float | None]:
    """Six digits; what is not finite is null, since JSON has no word for it."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
