"""What a score is held against: fixed, by the hour of the week, or following a drift."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import CALIBRATION
from edge_anomaly.files.manifest import Manifest
from edge_anomaly.scoring.batch import Floats, Rows
from edge_anomaly.scoring.clock import HOURS, hour_of_week
from edge_anomaly.scoring.memory import Memory
from edge_kernels import Medians, rolling_median

__all__ = ["HOURLY", "Thresholds", "new_drift"]

HOURLY = "threshold.hour-of-week"  # array of calibration.npz, (D, 168)
LONGEST = 2048  # scores that a median keeps a device; of more it keeps every second, third ...
SHARE = 4  # of the median's length must be there before it counts: a start in trouble is no drift


class Thresholds:
    """Each device's threshold for each of its windows."""

    def __init__(self, manifest: Manifest, constants: Mapping[str, NDArray[Any]]) -> None:
        """Make the manifest's rule ready.

        Raises:
            BundleError: What it needs is not in calibration.npz, or not of the shape it must be.
        """
        self.memory = Memory()
        self.usual: Floats = constants["threshold"].astype(np.float32)  # (D,)
        rule = manifest.threshold
        self._offset = manifest.utc_offset_minutes
        self._hourly = _hourly(manifest, constants) if rule.rule == "hour-of-week" else None
        self._factor = np.float32(rule.factor or 0)
        self._medians = None
        if rule.minutes is not None:
            self._medians = new_drift(manifest, self.memory)

    def run(self, score: Floats, device: Rows, end_ns: Rows) -> Floats:
        """The threshold of each window, (B,); takes its score into what it follows.

        Args:
            score: Shape (B,), in time order within each device.
            device: Shape (B,).
            end_ns: End of the newest slot, shape (B,).
        """
        if self._hourly is not None:
            by_hour: Floats = self._hourly[device, hour_of_week(end_ns, self._offset)]
            return by_hour
        usual: Floats = self.usual[device]
        if self._medians is None:
            return usual
        fewest = max(1, self._medians.ring.shape[1] // SHARE)
        median = rolling_median(score, device, self._medians, fewest=fewest)
        followed: Floats = np.fmax(usual, self._factor * median)  # NaN: no median yet
        return followed


def new_drift(manifest: Manifest, memory: Memory) -> Medians:
    """Medians over the time that the rule drift looks back on; their arrays live in `memory`."""
    rule = manifest.threshold
    step_ns = manifest.period_ns * manifest.branches[0].hop
    scores = max(1, round((rule.minutes or 0) * 60e9 / step_ns))
    stride = -(-scores // LONGEST)
    rows = len(manifest.devices)
    shape = (rows, -(-scores // stride))
    # A gap of an hour says nothing against the day's median, so that it lasts.
    return Medians(
        ring=memory.add("threshold.ring", shape, fresh=0, lasting=True),
        ranked=memory.add("threshold.ranked", shape, fresh=0, lasting=True),
        taken=memory.add("threshold.taken", (rows,), dtype=np.int64, fresh=0, lasting=True),
        seen=memory.add("threshold.seen", (rows,), dtype=np.int64, fresh=0, lasting=True),
        stride=stride,
    )


def _hourly(manifest: Manifest, constants: Mapping[str, NDArray[Any]]) -> Floats:
    shape = (len(manifest.devices), HOURS)
    found = constants.get(HOURLY)
    if found is None or found.shape != shape or found.dtype.kind not in "fiu":
        raise BundleError(f"{CALIBRATION}: {HOURLY!r} must be an array of shape {shape}")
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise BundleError(f"{CALIBRATION}: {HOURLY!r} must hold finite numbers above 0")
    return found.astype(np.float32)
