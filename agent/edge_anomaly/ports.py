"""What the core and its driver need of the world, as protocols that adapters fulfil."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Model"]


class Model(Protocol):
    """A loaded graph."""

    @property
    def provider(self) -> str:
        """Where it really runs, such as CPUExecutionProvider."""
        ...

    def run(
        self, window: NDArray[np.float32], device: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Observed and expected values in scaled units.

        Args:
            window: In engineering units, shape (B, W, C).
            device: Row of the bundle's devices for each window, shape (B,); a graph
                without heads does not look at it.

        Returns:
            Both (B, S, C) for the span S that the score recipe needs.
        """
        ...
