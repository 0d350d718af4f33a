"""One model in several runtimes must give one answer, on real windows."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import nn

from edge_anomaly.bundle import ONNX
from edge_anomaly.errors import AgentError
from edge_anomaly.ports import Model
from edge_export.recordings import Windows

__all__ = ["BATCHES", "OnnxModel", "ParityError", "TorchModel", "load", "verify"]

log = logging.getLogger(__name__)
Floats = NDArray[np.float32]

BATCHES = (1, 3, 17)  # one, a few, and more than any unrolled block holds
ROUNDS = 12  # batches of each size, spread over the windows
TOLERANCE = 1e-4  # relative; float32 sums in another order differ by about 1e-6


class ParityError(AgentError):
    """An exported graph does not answer as the trained model does; nothing was written."""


@dataclass(frozen=True)
class OnnxModel:
    """A graph in ONNX Runtime on one thread of the CPU; fulfils `edge_anomaly.ports.Model`."""

    session: ort.InferenceSession

    @classmethod
    def from_bytes(cls, content: bytes) -> "OnnxModel":
        """Load a serialised graph; `device` is fed only to a graph that asks for it."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return cls(ort.InferenceSession(content, options, providers=["CPUExecutionProvider"]))

    @property
    def provider(self) -> str:
        """Where it really runs."""
        return str(self.session.get_providers()[0])

    def run(self, window: Floats, device: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Observed and expected values, scaled, (B, S, C)."""
        feed = {"window": window, "device": device}
        asked = {entry.name: feed[entry.name] for entry in self.session.get_inputs()}
        observed, expected = self.session.run(["observed", "expected"], asked)
        return observed, expected


@dataclass(frozen=True)
class TorchModel:
    """A torch or TorchScript module; fulfils `edge_anomaly.ports.Model`."""

    module: nn.Module

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "cpu"

    @torch.no_grad()
    def run(self, window: Floats, device: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Observed and expected values, scaled, (B, S, C)."""
        observed, expected = self.module(torch.from_numpy(window), torch.from_numpy(device))
        return observed.numpy(), expected.numpy()


def load(runtime: str, content: bytes) -> Model:
    """The graph `content` in `runtime` (onnx or torchscript)."""
    if runtime == ONNX:
        return OnnxModel.from_bytes(content)
    with warnings.catch_warnings():
        # Deprecated in favour of formats that libtorch cannot load; see to_torchscript.
        warnings.filterwarnings("ignore", "`torch.jit.*is deprecated", DeprecationWarning)
        module: nn.Module = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call] # torch leaves it untyped
    return TorchModel(module)


def verify(
    trained: Model, graphs: Mapping[str, bytes], windows: Windows, tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Largest relative difference of each graph from the trained model.

    Args:
        trained: The model that was trained.
        graphs: Serialised graph by runtime (onnx, torchscript).
        windows: Real ones, of all devices; batches mix devices.
        tolerance: What is allowed, relative to the largest answer of a batch.

    Returns:
        `parity_<runtime>`: difference over every batch size and output.

    Raises:
        ParityError: A graph differs by more, or answers in another shape or with NaN.
    """
    found = {}
    for runtime, content in graphs.items():
        model, worst = load(runtime, content), 0.0
        for batch in _batches(windows):
            want = trained.run(batch.window, batch.device)
            got = model.run(batch.window, batch.device)
            for name, a, b in zip(("observed", "expected"), want, got, strict=True):
                error = _difference(a, b)
                if not error <= tolerance:  # NaN is refused too
                    raise ParityError(
                        f"{runtime}: {name} at batch {len(batch)} differs from torch by "
                        f"{error:.2g}, allowed {tolerance:g}"
                    )
                worst = max(worst, error)
        log.info("%s agrees with torch within %.1e (allowed %g)", runtime, worst, tolerance)
        found[f"parity_{runtime}"] = worst
    return found


def _batches(windows: Windows) -> Iterator[Windows]:
    """Batches of each size whose windows, and so devices, lie far apart."""
    for size in BATCHES:
        rows = np.linspace(0, len(windows) - 1, size * ROUNDS).astype(np.intp)
        for start in range(ROUNDS):
            yield windows[rows[start::ROUNDS]]


def _difference(want: Floats, got: Floats) -> float:
    if want.shape != got.shape:
        return float("inf")
    return float(np.abs(want - got).max() / max(1e-6, float(np.abs(want).max())))
