"""One model in several runtimes must give one answer, on real windows."""

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from edge_anomaly.errors import AgentError
from edge_anomaly.files.bundle import ONNX, ONNX_INT8, TORCHSCRIPT, Bundle
from edge_anomaly.ports import Graph, Model
from edge_anomaly.wishes import Wishes, in_blocks

__all__ = ["BATCHES", "OnnxGraph", "ParityError", "TorchGraph", "load", "load_model", "verify"]

log = logging.getLogger(__name__)
Feed = Mapping[str, NDArray[Any]]

OUTPUTS = ("observed", "expected", "new_state")  # in the order in which a torch module returns them
BATCHES = (1, 3, 17)  # one, a few, and more than any unrolled loop holds
ROUNDS = 12  # batches of each size, spread over the windows
TOLERANCE = 1e-4  # relative; float32 sums in another order differ by about 1e-6


class ParityError(AgentError):
    """An exported graph does not answer as the trained model does; nothing was written."""


@dataclass(frozen=True)
class OnnxGraph:
    """A graph in ONNX Runtime on one thread of the CPU; fulfils `edge_anomaly.ports.Graph`."""

    session: ort.InferenceSession
    inputs: Sequence[str]  # names of what it takes
    outputs: Sequence[str]
    wishes: Wishes

    @classmethod
    def from_bytes(cls, content: bytes) -> "OnnxGraph":
        """Load a serialised graph."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        wishes = Wishes.of(session.get_modelmeta().custom_metadata_map)
        if not wishes.arena:
            options.enable_cpu_mem_arena = False
            session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return cls(
            session,
            [entry.name for entry in session.get_inputs()],
            [entry.name for entry in session.get_outputs()],
            wishes,
        )

    @property
    def provider(self) -> str:
        """Where it really runs."""
        return str(self.session.get_providers()[0])

    def run(self, feed: Feed) -> dict[str, NDArray[np.float32]]:
        """Answers by name."""
        answers = in_blocks(
            lambda some: self.session.run(self.outputs, some),
            {name: feed[name] for name in self.inputs},
            self.wishes.rows,
        )
        return dict(zip(self.outputs, answers, strict=True))


@dataclass(frozen=True)
class TorchGraph:
    """A torch or TorchScript module; fulfils `edge_anomaly.ports.Graph`."""

    module: Any
    inputs: Sequence[str] = ("window", "device")  # names of the arguments, in their order
    outputs: Sequence[str] = OUTPUTS

    @property
    def provider(self) -> str:
        """Where it runs."""
        return "cpu"

    def run(self, feed: Feed) -> dict[str, NDArray[np.float32]]:
        """Answers by name."""
        import torch  # noqa: PLC0415 - families without a network need not load it

        with torch.no_grad():
            answers = self.module(*(torch.from_numpy(feed[name]) for name in self.inputs))
        if isinstance(answers, dict):  # a scripted module may name what it returns
            return {name: answer.numpy() for name, answer in answers.items()}
        names = self.outputs[: len(answers)]
        return {name: answer.numpy() for name, answer in zip(names, answers, strict=True)}


def load(runtime: str, content: bytes) -> Graph:
    """The graph `content` in `runtime` (onnx, onnx-int8 or torchscript)."""
    if runtime != TORCHSCRIPT:
        return OnnxGraph.from_bytes(content)
    import torch  # noqa: PLC0415 - families without a network need not load it

    with warnings.catch_warnings():
        # Deprecated in favour of formats that libtorch cannot load; see to_torchscript.
        warnings.filterwarnings("ignore", "`torch.jit.*is deprecated", DeprecationWarning)
        module: Any = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call] # torch leaves it untyped
    return TorchGraph(module, [arg.name for arg in module.forward.schema.arguments][1:])


def load_model(bundle: Bundle, runtime: str = ONNX) -> Model:
    """The bundle's graphs in `runtime`; float32 where a branch has none of 8 bits.

    Raises:
        KeyError: A branch has graphs, yet none for `runtime`.
    """

    def chosen(graphs: Mapping[str, str]) -> Graph:
        own = ONNX if runtime == ONNX_INT8 and runtime not in graphs else runtime
        return load(own, bundle.graphs[graphs[own]])

    branches = bundle.manifest.branches
    return Model(
        {branch.name: chosen(branch.graphs) for branch in branches if branch.graphs},
        {branch.name: chosen(branch.ahead) for branch in branches if branch.ahead},
    )


def verify(
    trained: Graph, graphs: Mapping[str, bytes], feed: Feed, tolerance: float = TOLERANCE
) -> dict[str, float]:
    """Largest relative difference of each graph from the trained model.

    Args:
        trained: The model that was trained.
        graphs: Serialised graph by runtime.
        feed: All that the model takes, N rows each, of real windows of all devices; batches mix
            devices.
        tolerance: What is allowed, relative to the largest answer of a batch.

    Returns:
        Difference over every batch size and output, by runtime.

    Raises:
        ParityError: A graph differs by more, or answers in another shape or with NaN.
    """
    found = {}
    for runtime, content in graphs.items():
        graph, worst = load(runtime, content), 0.0
        for batch in _batches(feed):
            want, got = trained.run(batch), graph.run(batch)
            for name in want:
                error = _difference(want[name], got.get(name))
                if not error <= tolerance:  # NaN is refused too
                    size = len(next(iter(batch.values())))
                    raise ParityError(
                        f"{runtime}: {name} at batch {size} differs from torch by "
                        f"{error:.2g}, allowed {tolerance:g}"
                    )
                worst = max(worst, error)
        log.info("%s agrees with torch within %.1e (allowed %g)", runtime, worst, tolerance)
        found[runtime] = worst
    return found


def _batches(feed: Feed) -> Iterator[Feed]:
    """Batches of each size whose windows, and so devices, lie far apart."""
    n = len(next(iter(feed.values())))
    for size in BATCHES:
        rows = np.linspace(0, n - 1, size * ROUNDS).astype(np.intp)
        for start in range(ROUNDS):
            chosen = rows[start::ROUNDS]
            yield {name: np.ascontiguousarray(value[chosen]) for name, value in feed.items()}


def _difference(want: NDArray[np.float32], got: NDArray[np.float32] | None) -> float:
    if got is None or want.shape != got.shape:
        return float("inf")
    return float(np.abs(want - got).max() / max(1e-6, float(np.abs(want).max())))
