"""Graphs at work: windows to what was observed and expected, with each device's state.

A graph with a state is shown one window of a device at a time, in order: a batch that holds
several windows of a device is run in rounds. What a graph that runs *ahead* says of the next
window is kept, so that it is there before the sample is; a device's first window behind a gap
is judged by what the graph says of it from its own state.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.manifest import Branch, Manifest
from edge_anomaly.ports import Graph
from edge_anomaly.scoring.batch import Batch, Floats, Rows
from edge_anomaly.scoring.clock import clock
from edge_anomaly.scoring.memory import Memory
from edge_anomaly.scoring.recipe import before

__all__ = ["Answering", "check_graph"]

Fresh = NDArray[np.bool_]


class Answering:
    """One branch with its graph; keeps the graph's state of each device."""

    def __init__(
        self,
        manifest: Manifest,
        constants: Mapping[str, NDArray[Any]],
        branch: Branch,
        graph: Graph | None,
        ahead: Graph | None = None,
    ) -> None:
        """Put a branch and its loaded graphs together.

        Raises:
            BundleError: A graph is missing, or takes other inputs than the manifest says.
        """
        self.branch = branch
        self.memory = Memory()
        self._graph, self._ahead = graph, ahead
        check_graph(branch, graph, ahead)
        self._period_ns, self._offset = manifest.period_ns, manifest.utc_offset_minutes
        self._before = before(manifest, constants, branch)
        rows = len(manifest.devices)
        self._centre: Floats = constants["centre"].astype(np.float32)
        self._scale: Floats = constants["scale"].astype(np.float32)
        if branch.state is not None:
            self._state = self.memory.add(f"{branch.name}.state", (rows, *branch.state))
        # What was told ahead follows from the state, so that no checkpoint need hold it.
        self._told: Floats | None = None  # (D, S, C), once the graph has shown S
        self._ready = np.zeros(rows, np.bool_)  # (D,) whether it is of the state as it is now
        self._owing: set[int] = set()  # devices of whose state nothing has been told yet

    def answer(self, window: Floats, device: Rows, end_ns: Rows, fresh: Fresh | None) -> Batch:
        """What the graph observes and expects in each window.

        Args:
            window: Newest slots, as many as the longest branch looks at, (B, W, C).
            device: Shape (B,).
            end_ns: End of the newest slot, shape (B,).
            fresh: Where a device begins anew, shape (B,).
        """
        own = window[:, -self.branch.window :]
        seen = own if self._before is None else self._before(np.ascontiguousarray(own))
        if self._graph is None:
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = (seen - self._centre[device, np.newaxis]) / self._scale[device, np.newaxis]
            return Batch(device, end_ns, own, scaled, np.zeros_like(scaled))
        feed: dict[str, NDArray[Any]] = {
            "window": np.ascontiguousarray(seen),
            "device": np.ascontiguousarray(device),
        }
        if "clock" in self._graph.inputs:
            feed["clock"] = clock(end_ns, self.branch.window, self._period_ns, self._offset)
        if self.branch.state is None:
            answers = self._graph.run(feed)
            return Batch(device, end_ns, own, answers["observed"], answers["expected"])
        observed, expected = self._in_rounds(feed, device, fresh)
        return Batch(device, end_ns, own, observed, expected)

    def prepare(self) -> None:
        """Run ahead for the devices whose last window has been answered."""
        if self._ahead is not None and self._owing:
            self._expect(self._ahead, np.array(sorted(self._owing), np.int64))
            self._owing.clear()

    def forget(self, device: int, *, wholly: bool = False) -> None:
        """Begin anew with `device`; `wholly`: with what lasts over a gap as well."""
        self.memory.forget(device, wholly=wholly)
        self._ready[device] = False
        self._owing.discard(device)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what the memory's snapshot gave.

        Raises:
            StateError: It does not fit; nothing was changed.
        """
        self.memory.restore(state)
        self._ready[:] = False
        self._owing.clear()
        if self._ahead is not None:
            begun = ~np.isnan(self._state).reshape(self._ready.size, -1).all(axis=1)
            self._owing.update(np.flatnonzero(begun).tolist())

    def _in_rounds(
        self, feed: Mapping[str, NDArray[Any]], device: Rows, fresh: Fresh | None
    ) -> tuple[Floats, Floats]:
        graph = self._graph
        if graph is None:
            raise RuntimeError("no graph to run")
        observed: list[Floats | None] = [None] * device.size
        expected: list[Floats | None] = [None] * device.size
        for rows in _rounds(device):
            self.prepare()
            mine = device[rows]
            if fresh is not None:
                for d in mine[fresh[rows]]:
                    self.forget(int(d))
            answers = graph.run(
                {name: value[rows] for name, value in feed.items()} | {"state": self._state[mine]}
            )
            self._state[mine] = answers["new_state"]
            told = answers.get("expected") if self._ahead is None else self._foretold(mine)
            if told is None:
                raise BundleError(f"branch {self.branch.name}: its graph expects nothing")
            for i, row in enumerate(rows):
                observed[row], expected[row] = answers["observed"][i], told[i]
        return np.stack([x for x in observed if x is not None]), np.stack(
            [x for x in expected if x is not None]
        )

    def _foretold(self, device: Rows) -> Floats | None:
        """What was expected of these devices' windows before they came, (B, S, C)."""
        first = device[~self._ready[device]]
        if first.size and self._ahead is not None:
            # Nothing was: ask now, from the state that the window itself has made.
            self._expect(self._ahead, first)
        told = None if self._told is None else self._told[device]
        self._ready[device] = False
        self._owing.update(device.tolist())
        return told

    def _expect(self, ahead: Graph, device: Rows) -> None:
        expected = ahead.run({"state": self._state[device], "device": device})["expected"]
        if self._told is None:
            self._told = np.zeros((self._ready.size, *expected.shape[1:]), np.float32)
        self._told[device] = expected
        self._ready[device] = True


def check_graph(branch: Branch, graph: Graph | None, ahead: Graph | None) -> None:
    """Hold what graphs take against what the manifest says of them.

    Raises:
        BundleError: They differ; names the file and the input.
    """
    where = "/".join(branch.graphs.values()) or f"branch {branch.name}"
    if (graph is None) != (not branch.graphs) or (ahead is None) != (not branch.ahead):
        raise BundleError(f"{where}: a graph that the manifest names is not loaded, or the reverse")
    if graph is None:
        return
    takes = set(graph.inputs)
    for name in sorted(takes - {"window", "device", "clock", "state"}):
        raise BundleError(f"{where}: the graph takes {name!r}, which no agent has")
    said = {"window": True, "device": branch.heads, "state": branch.state is not None}
    for name, told in said.items():
        if told != (name in takes):
            does = "does not take" if told else "takes"
            raise BundleError(f"{where}: the graph {does} {name!r}, the manifest says otherwise")
    if ahead is not None:
        for name in sorted(set(ahead.inputs) ^ {"state"}):
            if name != "device":
                raise BundleError(f"{where}: the graph that runs ahead and {name!r} do not fit")


def _rounds(device: Rows) -> Iterator[NDArray[np.intp]]:
    """Rows of the first window of each device, then of the second, and so on."""
    seen: dict[int, int] = {}
    turns: list[list[int]] = []
    for row, d in enumerate(device.tolist()):
        turn = seen.get(d, 0)
        seen[d] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    for rows in turns:
        yield np.array(rows, np.intp)
