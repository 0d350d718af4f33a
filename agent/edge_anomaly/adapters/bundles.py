"""Bundles on disk."""

from collections.abc import Mapping
from pathlib import Path

from edge_anomaly.adapters.onnx import OnnxGraph, open_session
from edge_anomaly.adapters.torchscript import TorchScriptGraph
from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import (
    MANIFEST,
    ONNX,
    ONNX_INT8,
    TORCHSCRIPT,
    Bundle,
    open_bundle,
    parse_manifest,
)
from edge_anomaly.ports import Graph, Model
from edge_anomaly.scoring import check_golden, tolerance

__all__ = ["AUTO", "load_model", "read_bundle"]

AUTO = "auto"


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, its digests checked.

    Raises:
        BundleError: It is missing or not what its manifest says; names the file.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle")
    try:
        content = {MANIFEST: (folder / MANIFEST).read_bytes()}
    except OSError as exc:
        raise BundleError(f"{folder / MANIFEST}: {exc.strerror}") from exc
    try:
        for name in parse_manifest(content[MANIFEST]).files:
            # A missing file, or a path that leads out of the bundle, is told by open_bundle.
            if Path(name).name == name and (folder / name).is_file():
                content[name] = (folder / name).read_bytes()
        return open_bundle(content)
    except BundleError as exc:
        raise BundleError(f"{folder}/{exc}") from exc


def load_model(bundle: Bundle, folder: Path, runtime: str = AUTO) -> Model:
    """The bundle's graphs, loaded and proven on the bundle's golden inputs.

    `auto` runs a branch's graph of 8 bits where it has one, since the export ships none that
    moves the score; a branch that has no graph for `onnx-int8` runs its float32 one.

    Raises:
        BundleError: There is no such graph, it cannot be loaded, or its answers differ.
    """
    graphs, ahead = {}, {}
    for branch in bundle.manifest.branches:
        if branch.graphs:
            graphs[branch.name] = _load(bundle, folder, branch.graphs, runtime)
        if branch.ahead:
            ahead[branch.name] = _load(bundle, folder, branch.ahead, runtime)
    model = Model(graphs, ahead)
    try:
        branches = bundle.manifest.branches
        runs = {_chosen(branch.graphs, runtime) for branch in branches if branch.graphs}
        check_golden(bundle, model, allowed=max(map(tolerance, runs or {ONNX})))
    except BundleError as exc:
        raise BundleError(f"{folder}/{exc}") from exc
    except Exception as exc:
        # The runtimes and numpy have no common base for inputs or constants that do not fit.
        files = ", ".join(bundle.graphs)
        raise BundleError(f"{folder}/{files}: it cannot answer its golden inputs: {exc}") from exc
    return model


def _load(bundle: Bundle, folder: Path, graphs: Mapping[str, str], runtime: str) -> Graph:
    chosen = _chosen(graphs, runtime)
    if chosen not in graphs:
        raise BundleError(f"{folder}: no graph for {runtime}; there is {', '.join(graphs)}")
    name = graphs[chosen]
    where = f"{folder}/{name}"
    if chosen == TORCHSCRIPT:
        return TorchScriptGraph(bundle.graphs[name], where)
    return OnnxGraph(bundle.graphs[name], where, open_session)


def _chosen(graphs: Mapping[str, str], runtime: str) -> str:
    """The runtime of the graph that `runtime` asks for."""
    if runtime == AUTO:
        return next((name for name in (ONNX_INT8, ONNX) if name in graphs), TORCHSCRIPT)
    return ONNX if runtime == ONNX_INT8 and runtime not in graphs else runtime
