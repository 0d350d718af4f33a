"""A graph that knows how long it takes."""

import time
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.ports import Graph, Model

__all__ = ["TimedGraph", "timed"]

REMEMBERED = 512  # runs


class TimedGraph:
    """As the graph within, and `seconds` of its newest runs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.seconds: deque[float] = deque(maxlen=REMEMBERED)

    @property
    def provider(self) -> str:
        """Where it really runs."""
        return self._graph.provider

    @property
    def inputs(self) -> Collection[str]:
        """Names of what it takes."""
        return self._graph.inputs

    def run(self, feed: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[np.float32]]:
        """Answers by name."""
        began = time.perf_counter()
        answers = self._graph.run(feed)
        self.seconds.append(time.perf_counter() - began)
        return answers


def timed(model: Model) -> Model:
    """The same graphs, timed."""
    return Model(
        {branch: TimedGraph(graph) for branch, graph in model.graphs.items()},
        {branch: TimedGraph(graph) for branch, graph in model.ahead.items()},
    )
