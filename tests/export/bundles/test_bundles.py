"""Bundles: made, read back, refused, and given one more device."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError, RecordingError
from edge_anomaly.files.bundle import (
    GOLDEN,
    MANIFEST,
    Bundle,
    File,
    dump_manifest,
    open_bundle,
    parse_manifest,
)
from edge_anomaly.scoring import Scorer, check_golden
from edge_export.bundles.add_device import add_device
from edge_export.bundles.package import read_bundle, write_bundle
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.calibrate import MINIMUM
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording
from edge_export.families import lstm_ae_onnx
from edge_export.families.lstm_ae import Config
from edge_export.graphs.verify import OnnxGraph, ParityError, load_model

Files = dict[str, bytes]
FILES = {"onnx": "lstm-ae.onnx", "torchscript": "lstm-ae.pt"}
ONNX = FILES["onnx"]


def sealed(files: Files, **changed: bytes) -> Files:
    """`files` with some of them changed and the manifest's digests made to fit."""
    both = files | changed
    manifest = parse_manifest(both[MANIFEST])
    digests = {name: File(sha256=hashlib.sha256(both[name]).hexdigest()) for name in manifest.files}
    text = dump_manifest(msgspec.structs.replace(manifest, files=digests))
    return both | {MANIFEST: text.encode()}


def test_a_bundle_answers_in_both_runtimes(bundle: Bundle) -> None:
    assert set(bundle.graphs) == set(FILES.values())
    for runtime in FILES:
        check_golden(bundle, load_model(bundle, runtime))


def test_a_manifest_says_where_the_model_comes_from(bundle: Bundle) -> None:
    said = bundle.manifest.provenance
    assert said.seed == 3
    assert said.metrics["parity_onnx"] < 1e-5
    assert said.metrics["parity_torchscript"] < 1e-5
    assert {"python", "torch", "onnxruntime"} <= said.versions.keys()
    assert bundle.manifest.threshold.windows >= MINIMUM
    assert bundle.manifest.period_ns == 60 * 10**9


def test_the_golden_windows_are_interleaved_over_devices(bundle: Bundle) -> None:
    assert bundle.golden.device[:6].tolist() == [0, 1, 2, 0, 1, 2]
    first = bundle.golden.window[bundle.golden.device == 1]
    np.testing.assert_array_equal(first[0][1:], first[1][:-1])


def test_healthy_time_scores_below_the_threshold_and_a_shift_above(
    bundle: Bundle, recordings: list[Recording]
) -> None:
    values = recordings[1].values[-40:].copy()
    values[20:, 2] += 3.0  # fifteen times the amplitude of the temperature's cycle
    cuts = np.lib.stride_tricks.sliding_window_view(values, bundle.window, axis=0)
    window = np.ascontiguousarray(cuts.transpose(0, 2, 1))
    scorer = Scorer(bundle, load_model(bundle))
    scores = scorer.score(window, np.full(len(window), 1), np.arange(len(window)))
    assert scores.score[-1] > 1.5 * scores.threshold[-1]
    assert (scores.score[:12] < 1.5 * scores.threshold[:12]).all()
    assert int(scores.deviation[-1].argmax()) == 2


def flipped(files: Files) -> Files:
    content = bytearray(files[ONNX])
    content[len(content) // 2] ^= 1
    return files | {ONNX: bytes(content)}


def without_a_file(files: Files) -> Files:
    return {name: content for name, content in files.items() if name != GOLDEN}


def other_order(files: Files) -> Files:
    manifest = parse_manifest(files[MANIFEST])
    turned = msgspec.structs.replace(manifest, signals=list(reversed(manifest.signals)))
    return files | {MANIFEST: dump_manifest(turned).encode()}


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (flipped, r"lstm-ae.onnx: sha256 is \w+, the manifest says"),
        (without_a_file, "golden.npz: missing"),
        (other_order, "golden.npz: made for the signals flow, pressure"),
    ],
)
def test_a_spoilt_bundle_is_refused(
    bundle_files: Files, spoil: Callable[[Files], Files], complaint: str
) -> None:
    with pytest.raises(BundleError, match=complaint):
        open_bundle(spoil(bundle_files))


def npz(arrays: dict[str, NDArray[np.float32]]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("answer", ["main.observed", "main.expected", "score"])
def test_golden_answers_that_do_not_match_are_refused(bundle_files: Files, answer: str) -> None:
    with np.load(io.BytesIO(bundle_files[GOLDEN])) as stored:
        arrays = dict(stored)
    arrays[answer] = arrays[answer] * np.float32(1.01)
    wrong = open_bundle(sealed(bundle_files, **{GOLDEN: npz(arrays)}))
    with pytest.raises(BundleError, match=f"golden.npz: {answer.removeprefix('main.')} differs"):
        check_golden(wrong, load_model(wrong))


def test_nothing_is_written_when_a_graph_is_wrong(
    tmp_path: Path,
    recordings: list[Recording],
    small: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = lstm_ae_onnx.build

    def wrong(weights: dict[str, NDArray[np.float32]], window: int, names: list[str]) -> bytes:
        return build(weights | {"heads.inner.R": -weights["heads.inner.R"]}, window, names)

    monkeypatch.setattr(lstm_ae_onnx, "build", wrong)
    with pytest.raises(ParityError):
        train_bundle("lstm-ae", recordings, small, tmp_path / "out", Plan(name="wrong"))
    assert not list(tmp_path.iterdir())


def test_a_bundle_replaces_a_bundle_and_nothing_else(tmp_path: Path, bundle_files: Files) -> None:
    out = tmp_path / "new"
    write_bundle(out, bundle_files)
    write_bundle(out, bundle_files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
    assert {path.name: path.read_bytes() for path in out.iterdir()} == bundle_files
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "read.me").write_text("mine", "utf-8")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        write_bundle(notes, bundle_files)
    with pytest.raises(BundleError, match="sha256 is"):
        write_bundle(out, flipped(bundle_files))
    assert read_bundle(out).manifest.name == "three"


def test_what_the_bundle_cannot_be_is_refused_before_training(
    tmp_path: Path,
    recordings: list[Recording],
    small: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "edge_export.families.lstm_ae_bundle.train", None
    )  # calling it would fail otherwise
    (tmp_path / "mine").write_text("notes", "utf-8")
    with pytest.raises(BundleError, match="exists and is not a bundle"):
        train_bundle("lstm-ae", recordings, small, tmp_path / "mine", Plan(name="fine"))
    with pytest.raises(BundleError, match="name"):
        train_bundle("lstm-ae", recordings, small, tmp_path / "b", Plan(name="not fine"))


def test_a_bundle_without_torchscript(
    tmp_path: Path, recordings: list[Recording], small: Config
) -> None:
    plan = Plan(name="plain", torchscript=False, rule=Rule("mean-std", 2.0))
    bundle = train_bundle("lstm-ae", recordings, small, tmp_path / "plain", plan)
    assert list(bundle.graphs) == [ONNX]
    assert bundle.manifest.threshold.rule == "mean-std"


def test_the_same_seed_and_recordings_make_the_same_bundle(
    tmp_path: Path, recordings: list[Recording], small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    plan = Plan(name="same", torchscript=False)
    first, second = (
        train_bundle("lstm-ae", recordings, small, tmp_path / name, plan) for name in ("a", "b")
    )
    assert first.sha256 == second.sha256


def test_a_new_device_leaves_the_others_as_they_were_bit_for_bit(
    tmp_path: Path, bundle_folder: Path, bundle: Bundle, newcomer: Recording, small: Config
) -> None:
    new = add_device(bundle_folder, [newcomer], small, tmp_path / "four")
    assert new.manifest.devices == [*bundle.manifest.devices, "c-9"]
    assert new.manifest.version == "1+c-9"
    old_weights, _ = lstm_ae_onnx.weights_of(bundle.graphs[ONNX])
    new_weights, _ = lstm_ae_onnx.weights_of(new.graphs[ONNX])
    assert old_weights.keys() == new_weights.keys()
    for name, value in old_weights.items():
        grown = name.startswith(("heads.", "scaler.c", "scaler.s")) and value.ndim > 0
        kept = new_weights[name][:3] if grown else new_weights[name]
        assert kept.tobytes() == value.tobytes(), name
    for name, constant in bundle.calibration.items():
        assert new.calibration[name].shape == (4, *constant.shape[1:])
        assert new.calibration[name][:3].tobytes() == constant.tobytes(), name
    old_model, new_model = (OnnxGraph.from_bytes(b.graphs[ONNX]) for b in (bundle, new))
    golden = bundle.golden
    shown: dict[str, NDArray[Any]] = {"window": golden.window, "device": golden.device}
    before, after = old_model.run(shown), new_model.run(shown)
    for name in ("observed", "expected"):
        assert before[name].tobytes() == after[name].tobytes()
    assert 3 in new.golden.device
    assert new.golden.score[: golden.score.size].tobytes() == golden.score.tobytes()
    assert set(new.graphs) == set(bundle.graphs)


def test_a_new_device_must_be_new_alone_and_of_the_same_signals(
    tmp_path: Path,
    bundle_folder: Path,
    newcomer: Recording,
    recordings: list[Recording],
    small: Config,
) -> None:
    turned = replace(newcomer, signals=newcomer.signals[::-1], values=newcomer.values[:, ::-1])
    for wrong, complaint in (
        ([turned], "the bundle's order is flow, pressure"),
        ([newcomer, recordings[0]], "one device at a time"),
        ([recordings[0]], "already knows c-1"),
    ):
        with pytest.raises(RecordingError, match=complaint):
            add_device(bundle_folder, wrong, small, tmp_path / "no")
    with pytest.raises(BundleError, match="nowhere"):
        add_device(tmp_path / "nowhere", [newcomer], small, tmp_path / "no")
    assert not list(tmp_path.iterdir())
