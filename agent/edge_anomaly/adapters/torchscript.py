"""Graphs in TorchScript: the one place where a gateway may load torch, when a config asks."""

import importlib
import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError

__all__ = ["TorchScriptModel"]


class TorchScriptModel:
    """A loaded graph, as a `Model`."""

    def __init__(self, content: bytes, name: str) -> None:
        """Load a graph.

        Raises:
            BundleError: torch is not installed or cannot load the file; names the file.
        """
        try:
            torch: Any = importlib.import_module("torch")
        except ImportError as exc:
            raise BundleError(f"{name}: it needs torch: pip install torch") from exc
        try:
            with warnings.catch_warnings():
                # Deprecated in favour of formats that other runtimes cannot load.
                warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
                self._module = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
        except RuntimeError as exc:
            raise BundleError(f"{name}: torch cannot load it: {exc}") from exc
        self._torch = torch

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "TorchScript on CPU"

    def run(
        self, window: NDArray[np.float32], device: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See `Model.run`."""
        with self._torch.no_grad():
            observed, expected = self._module(
                self._torch.from_numpy(window), self._torch.from_numpy(device)
            )
        return observed.numpy(), expected.numpy()
