"""Alarm states from scores, until the agent's own decision stage can be asked."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Hysteresis"]


@dataclass(frozen=True)
class Hysteresis:
    """Raise after `windows` in a row above, clear after `quiet` in a row below a lower ratio."""

    above: float = 1.0  # score / threshold
    windows: int = 3
    below: float = 0.8
    quiet: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.below <= self.above:
            raise ValueError(f"0 < below <= above, got {self.below} and {self.above}")
        if min(self.windows, self.quiet) < 1:
            raise ValueError(f"at least one window, got {self.windows} and {self.quiet}")

    def alarms(self, ratio: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Whether the alarm stands after each of a device's windows, (n,) -> (n,)."""
        out = np.zeros(ratio.size, np.bool_)
        active, run = False, 0
        for i, value in enumerate(ratio.tolist()):
            run = run + 1 if (value < self.below if active else value > self.above) else 0
            if run == (self.quiet if active else self.windows):
                active, run = not active, 0
            out[i] = active
        return out
