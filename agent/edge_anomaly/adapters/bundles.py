"""Bundles on disk."""

from pathlib import Path

from edge_anomaly.adapters.onnx import OnnxModel, open_session
from edge_anomaly.adapters.torchscript import TorchScriptModel
from edge_anomaly.bundle import MANIFEST, ONNX, Bundle, open_bundle, parse_manifest
from edge_anomaly.errors import BundleError
from edge_anomaly.ports import Model
from edge_anomaly.scoring import check_golden

__all__ = ["load_model", "read_bundle"]


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


def load_model(bundle: Bundle, folder: Path, runtime: str = ONNX) -> Model:
    """The bundle's graph, loaded and proven on the bundle's golden inputs.

    Raises:
        BundleError: There is no such graph, it cannot be loaded, or its answers differ.
    """
    graphs = bundle.manifest.branches[0].graphs
    if runtime not in graphs:
        raise BundleError(f"{folder}: no graph for {runtime}; there is {', '.join(graphs)}")
    name = graphs[runtime]
    where = f"{folder}/{name}"
    model: Model = (
        OnnxModel(bundle.graphs[name], where, open_session)
        if runtime == ONNX
        else TorchScriptModel(bundle.graphs[name], where)
    )
    try:
        check_golden(bundle, model)
    except BundleError as exc:
        raise BundleError(f"{folder}/{exc}") from exc
    except Exception as exc:
        # The runtimes and numpy have no common base for inputs or constants that do not fit.
        raise BundleError(f"{where}: it cannot answer its golden inputs: {exc}") from exc
    return model
