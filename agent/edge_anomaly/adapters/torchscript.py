"""Graphs in TorchScript: the one place where a gateway may load torch, when a config asks."""

import importlib
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError

__all__ = ["OUTPUTS", "TorchScriptGraph"]

OUTPUTS = ("observed", "expected", "new_state")  # of a module that returns a tuple


class TorchScriptGraph:
    """A loaded graph, as a `Graph`."""

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
        # The first argument is the module itself.
        self.inputs = [arg.name for arg in self._module.forward.schema.arguments][1:]

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "TorchScript on CPU"

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See `Graph.run`; the module names its answers or gives those of OUTPUTS in order."""
        with self._torch.no_grad():
            answers = self._module(*(self._torch.from_numpy(feed[name]) for name in self.inputs))
        if isinstance(answers, dict):
            return {name: answer.numpy() for name, answer in answers.items()}
        return {
            name: answer.numpy()
            for name, answer in zip(OUTPUTS[: len(answers)], answers, strict=True)
        }
