"""Graphs in ONNX Runtime."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.wishes import Wishes, in_blocks

__all__ = ["OnnxGraph", "Open", "Session", "open_session"]

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class Session(Protocol):
    """What is used of `onnxruntime.InferenceSession`."""

    def get_providers(self) -> list[str]:
        """Execution providers in use, the first before the others."""
        ...

    def get_inputs(self) -> Sequence[Any]:
        """What the graph takes, each with a `name`."""
        ...

    def get_outputs(self) -> Sequence[Any]:
        """What the graph gives, each with a `name`."""
        ...

    def get_modelmeta(self) -> Any:  # noqa: ANN401 - onnxruntime's classes have no types
        """Whose `custom_metadata_map` has the graph's own properties, as text."""
        ...

    def run(self, outputs: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The named outputs."""
        ...


class Open(Protocol):
    """Opens a session."""

    def __call__(self, content: bytes, /, *, arena: bool = True) -> Session:
        """See `open_session`."""
        ...


def open_session(content: bytes, *, arena: bool = True) -> Session:
    """A session on the GPU where there is one, else on one thread of the CPU.

    One thread and no spinning: on a gateway waiting threads burn a core and slow the
    others; many windows go into one batch instead.

    Args:
        content: A serialised graph.
        arena: Whether it may keep memory for its next run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    known = onnxruntime.get_available_providers()
    session: Session = onnxruntime.InferenceSession(
        content, options, providers=[name for name in PROVIDERS if name in known]
    )
    return session


class OnnxGraph:
    """A loaded graph, as a `Graph`."""

    def __init__(self, content: bytes, name: str, factory: Open) -> None:
        """Load a graph.

        Raises:
            BundleError: It is not a graph that this runtime can run, or asks for what makes no
                sense; names the file.
        """
        try:
            session = factory(content)
            self._wishes = Wishes.of(session.get_modelmeta().custom_metadata_map)
            self._session = session if self._wishes.arena else factory(content, arena=False)
        except Exception as exc:
            # onnxruntime raises its own classes, which have no common base but this.
            raise BundleError(f"{name}: ONNX Runtime cannot load it: {exc}") from exc
        self.inputs = [entry.name for entry in self._session.get_inputs()]
        self._outputs = [entry.name for entry in self._session.get_outputs()]

    @property
    def provider(self) -> str:
        """Read off the session: what is available is not what is used."""
        return self._session.get_providers()[0]

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See `Graph.run`."""
        answers = in_blocks(
            lambda some: self._session.run(self._outputs, some),
            {name: feed[name] for name in self.inputs},
            self._wishes.rows,
        )
        return dict(zip(self._outputs, answers, strict=True))
