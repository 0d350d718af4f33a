"""Graphs in ONNX Runtime."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edge_anomaly.blocks import ROWS, in_blocks
from edge_anomaly.errors import BundleError

__all__ = ["OnnxGraph", "Session", "open_session"]

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


def open_session(content: bytes) -> Session:
    """A session on the GPU where there is one, else on one thread of the CPU.

    One thread and no spinning: on a gateway waiting threads burn a core and slow the
    others; many windows go into one batch instead.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    known = onnxruntime.get_available_providers()
    session: Session = onnxruntime.InferenceSession(
        content, options, providers=[name for name in PROVIDERS if name in known]
    )
    return session


class OnnxGraph:
    """A loaded graph, as a `Graph`."""

    def __init__(self, content: bytes, name: str, factory: Callable[[bytes], Session]) -> None:
        """Load a graph.

        Raises:
            BundleError: It is not a graph that this runtime can run, or asks for blocks of no
                rows; names the file.
        """
        try:
            self._session = factory(content)
        except Exception as exc:
            # onnxruntime raises its own classes, which have no common base but this.
            raise BundleError(f"{name}: ONNX Runtime cannot load it: {exc}") from exc
        self.inputs = [entry.name for entry in self._session.get_inputs()]
        self._outputs = [entry.name for entry in self._session.get_outputs()]
        rows = self._session.get_modelmeta().custom_metadata_map.get(ROWS)
        if rows is not None and not (rows.isdecimal() and int(rows) > 0):
            raise BundleError(f"{name}: its property {ROWS} is {rows!r}, not a number from 1")
        self._rows = None if rows is None else int(rows)

    @property
    def provider(self) -> str:
        """Read off the session: what is available is not what is used."""
        return self._session.get_providers()[0]

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """See `Graph.run`."""
        answers = in_blocks(
            lambda some: self._session.run(self._outputs, some),
            {name: feed[name] for name in self.inputs},
            self._rows,
        )
        return dict(zip(self._outputs, answers, strict=True))
