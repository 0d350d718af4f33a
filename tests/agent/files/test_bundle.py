"""What tests/export/test_bundles.py leaves: files that no exporter would write."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from plants import GRAPH, bundle, bundle_files, model, npz, sealed

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import CALIBRATION, GOLDEN, MANIFEST, open_bundle
from edge_anomaly.scoring import check_golden

Files = dict[str, bytes]


def arrays(name: str, **changed: Any) -> Files:
    """A sealed bundle with some arrays of one of its files changed, or dropped by None."""
    files = bundle_files()
    with np.load(io.BytesIO(files[name])) as stored:
        kept = {k: v for k, v in {**stored, **changed}.items() if v is not None}
    return sealed(files | {name: npz(kept)})


def manifest(**changed: Any) -> Files:
    files = bundle_files()
    body = yaml.safe_load(files[MANIFEST]) | changed
    return files | {MANIFEST: yaml.safe_dump(body).encode()}


def written(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def archive(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("threshold.npy", content)
    return file.getvalue()


def single_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def test_the_plant_of_these_tests_is_a_sound_bundle() -> None:
    opened = bundle()
    check_golden(opened, model())
    assert (opened.signals, opened.window) == (["flow", "temp"], 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"PK\x03\x04 and no more",
        bundle_files()[CALIBRATION][:300],
        single_array(),
        archive(b"no array"),
        npz({"threshold": np.array([object()], object)}),
    ],
    ids=["empty", "garbage", "zip head", "cut", "npy", "no array", "pickled"],
)
def test_what_is_no_file_of_plain_arrays_is_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match=r"^calibration.npz: not a"):
        open_bundle(sealed(bundle_files() | {CALIBRATION: content}))


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({}, "manifest.yaml: missing"),
        (manifest(schema="edge-agent.bundle/2"), "schema 'edge-agent.bundle/2', this agent reads"),
        (manifest(colour="red"), "manifest.yaml: Object contains unknown field `colour`"),
        (manifest(devices=["c-1", "c-1"]), "manifest.yaml: devices: one is there twice"),
        (manifest(period_ns=0), "manifest.yaml: Expected `int` >= 1"),
        (manifest(branches=[]), "manifest.yaml: Expected `array` of length >= 1"),
        (manifest(files={}), "manifest.yaml: no digest for calibration.npz"),
        (bundle_files() | {MANIFEST: b"a: [\n"}, "manifest.yaml: while parsing"),
        (bundle_files() | {MANIFEST: b"\xff\x00"}, "manifest.yaml: unacceptable character"),
        (bundle_files() | {MANIFEST: b"a: 2024-13-45"}, "manifest.yaml: month must be"),
        (bundle_files() | {MANIFEST: b"[" * 5000}, "manifest.yaml: maximum recursion"),
        (bundle_files() | {GRAPH: b"a graph!"}, "mean.onnx: sha256 is"),
        (arrays(CALIBRATION, scale=None), "calibration.npz: 'scale' must be an array of shape"),
        (arrays(CALIBRATION, fill=np.zeros((2, 3))), r"'fill' must be an array of shape \(2, 2\)"),
        (arrays(CALIBRATION, threshold=np.array([1.0, np.nan])), "'threshold' must hold finite"),
        (arrays(CALIBRATION, threshold=np.array(["1", "2"])), "'threshold' must hold finite"),
        (arrays(CALIBRATION, threshold=np.array([1.0, 0.0])), "a threshold is not positive"),
        (arrays(CALIBRATION, fill=np.full((2, 2), np.inf)), "'fill' must hold finite"),
        (arrays(GOLDEN, signals=None), "golden.npz: no array 'signals'"),
        (arrays(GOLDEN, score=None), "golden.npz: no array 'score'"),
        (arrays(GOLDEN, signals=np.array(["temp", "flow"])), "golden.npz: made for the signals"),
        (arrays(GOLDEN, score=np.zeros(2)), "golden.npz: shapes do not fit"),
        (arrays(GOLDEN, device=np.zeros(0, np.int64)), "golden.npz: shapes do not fit"),
    ],
    ids=range(23),
)
def test_what_does_not_fit_the_manifest_is_refused(files: Files, complaint: str) -> None:
    with pytest.raises(BundleError, match=complaint):
        open_bundle(files)


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (manifest(recipe=[{"stage": "magic"}]), "no stage 'magic'; there are blame, combine, "),
        (manifest(recipe=[{"stage": "reduce"}]), "stage 'reduce' needs 'largest'"),
        (manifest(recipe=[{"stage": "smooth"}]), "stage 'smooth' needs 'minutes'"),
        (
            arrays(CALIBRATION, **{"1.standardise.mean": None}),
            "stage 'standardise' needs '1.standardise.mean'",
        ),
        (arrays(GOLDEN, observed=np.zeros((3, 1, 2))), "golden.npz: observed differs"),
        (arrays(GOLDEN, expected=np.zeros((3, 2))), "golden.npz: expected has shape"),
        (arrays(GOLDEN, score=np.array([0, 1, 4.1])), "golden.npz: score differs"),
        (arrays(GOLDEN, score=np.full(3, np.nan)), "golden.npz: score differs"),
    ],
    ids=range(8),
)
def test_what_answers_otherwise_is_refused(files: Files, complaint: str) -> None:
    opened = open_bundle(files)
    with pytest.raises(BundleError, match=complaint):
        check_golden(opened, model())


@pytest.mark.parametrize("name", ["../outside.bin", "/etc/hostname", "sub/inside.bin"])
def test_no_file_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "b" / "sub").mkdir(parents=True)
    for place in ("outside.bin", "b/sub/inside.bin"):
        (tmp_path / place).write_bytes(b"secret")
    files = manifest(files=yaml.safe_load(bundle_files()[MANIFEST])["files"])
    body = yaml.safe_load(files[MANIFEST])
    body["files"][name] = {"sha256": "0" * 64}
    folder = written(tmp_path / "b", files | {MANIFEST: yaml.safe_dump(body).encode()})
    with pytest.raises(BundleError, match=f"{name}: missing"):
        read_bundle(folder)


def test_a_folder_that_is_not_there_or_empty_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere: no such bundle"):
        read_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"manifest\.yaml: No such file"):
        read_bundle(tmp_path)


def test_a_graph_that_is_none_or_not_there_is_told(tmp_path: Path) -> None:
    folder = written(tmp_path, bundle_files())
    opened = read_bundle(folder)
    with pytest.raises(BundleError, match=r"mean\.onnx: ONNX Runtime cannot load it"):
        load_model(opened, folder)
    with pytest.raises(BundleError, match="no graph for torchscript; there is onnx"):
        load_model(opened, folder, "torchscript")


@pytest.mark.parametrize(
    ("source", "outputs", "slots", "complaint"),
    [
        ("other", ["observed", "expected"], 4, "the graph takes 'other', which no agent has"),
        ("device", ["observed", "expected"], 4, "the graph does not take 'window', the manifest"),
        ("window", ["observed", "other"], 4, "it cannot answer its golden inputs"),
        ("window", ["observed", "expected"], 5, "it cannot answer its golden inputs"),
    ],
    ids=["input", "no window", "output", "shape"],
)
def test_a_graph_that_takes_or_gives_something_else_is_told(
    tmp_path: Path, source: str, outputs: list[str], slots: int, complaint: str
) -> None:
    graph = identity_graph(source, outputs, slots)
    folder = written(tmp_path, sealed(bundle_files() | {GRAPH: graph}))
    with pytest.raises(BundleError, match=rf"mean\.onnx: {complaint}"):
        load_model(read_bundle(folder), folder)


def identity_graph(source: str, outputs: list[str], slots: int) -> bytes:
    onnx = pytest.importorskip("onnx", reason="comes with the extra `train`")
    make = onnx.helper
    shape = (onnx.TensorProto.FLOAT, ["B", slots, 2])
    graph = make.make_graph(
        [make.make_node("Identity", [source], [output]) for output in outputs],
        "identity",
        [make.make_tensor_value_info(source, *shape)],
        [make.make_tensor_value_info(output, *shape) for output in outputs],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=10)
    return bytes(model.SerializeToString())
