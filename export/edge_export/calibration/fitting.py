"""What the constants of a stage are fitted on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Branch, Manifest, Stage
from edge_anomaly.scoring import Batch

__all__ = ["Constants", "Fit", "Fitting"]

Floats = NDArray[np.float32]
Constants = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Fitting:
    """What a stage's constants are fitted on."""

    stage: Stage
    branch: Branch | None  # None: a stage of the recipe of the whole
    manifest: Manifest
    tracks: Floats  # (N, T, C) or (N, T): what the stages before it make of the windows
    batch: Batch  # the windows, in time order within each device

    @property
    def step_ns(self) -> int:
        """Time from one window of a device to the next."""
        return self.manifest.period_ns * self.manifest.branches[0].hop

    def per_device(
        self, fit: Callable[[NDArray[Any]], Any], values: NDArray[Any] | None = None
    ) -> Floats:
        """`fit` of each device's tracks (or `values`), as one array with a row a device."""
        values = self.tracks if values is None else values
        rows = range(len(self.manifest.devices))
        return np.stack([fit(values[self.batch.device == d]) for d in rows]).astype(np.float32)


Fit = Callable[[Fitting], Constants]
