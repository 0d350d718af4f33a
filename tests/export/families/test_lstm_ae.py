"""The model, its two exports and its weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_anomaly.ports import Graph
from edge_export.data.recordings import Recording, Slicing, Windows
from edge_export.data.split import Split, split
from edge_export.families import lstm_ae_onnx, lstm_ae_weights
from edge_export.families.lstm_ae import Config, LstmAe, Scaler, train
from edge_export.families.lstm_ae_bundle import new_model
from edge_export.families.lstm_ae_torchscript import to_torchscript
from edge_export.graphs.verify import BATCHES, OnnxGraph, ParityError, TorchGraph, load, verify

MINUTE = 60 * 10**9
NAMES = ("flow", "pressure", "temperature", "level")


@pytest.fixture(scope="module")
def parts(recordings: list[Recording], small: Config) -> Split:
    return split(recordings, Slicing(small.window, MINUTE), held_out=0.2)


@pytest.fixture
def model(parts: Split, small: Config) -> LstmAe:
    return new_model(parts, small)


def run(graph: Graph, some: Windows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    answers = graph.run({"window": some.window, "device": some.device})
    return answers["observed"], answers["expected"]


def shown(parts: Split) -> dict[str, NDArray[Any]]:
    return {"window": parts.held.window, "device": parts.held.device}


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-x))


def naive_lstm(
    x: NDArray[np.float64], w: list[NDArray[np.float32]], order: str
) -> NDArray[np.float64]:
    """Steps (W, I) to hidden states (W, H), by the textbook; `order` names the gates' rows."""
    w_x, w_h, b_x, b_h = (value.astype(np.float64) for value in w)
    h = c = np.zeros(w_h.shape[1])
    out = []
    for step in x:
        gates = dict(zip(order, np.split(w_x @ step + b_x + w_h @ h + b_h, 4), strict=True))
        c = sigmoid(gates["f"]) * c + sigmoid(gates["i"]) * np.tanh(gates["c"])
        h = sigmoid(gates["o"]) * np.tanh(c)
        out.append(h)
    return np.array(out)


def onnx_gates(w: lstm_ae_weights.Weights, name: str, row: int) -> list[NDArray[np.float32]]:
    return [
        w[f"{name}.W"][row],
        w[f"{name}.R"][row],
        *np.split(w[f"{name}.B"][row], 2),
    ]


def test_the_graph_computes_the_textbook_with_gates_in_onnx_order(
    model: LstmAe, parts: Split
) -> None:
    w = lstm_ae_weights.stack(model)
    runtime = OnnxGraph.from_bytes(lstm_ae_onnx.build(w, model.config.window, NAMES))
    for at in (0, len(parts.held) // 2, len(parts.held) - 1):
        one = parts.held[at : at + 1]
        d = int(one.device[0])
        scaled = (one.window[0].astype(np.float64) - parts.centre[d]) / parts.scale[d]
        x = np.clip(scaled, -model.config.clip, model.config.clip)
        h = naive_lstm(x, onnx_gates(w, "encoder.outer", 0), "iofc")
        h = naive_lstm(h, onnx_gates(w, "encoder.inner", 0), "iofc")
        latent = h[-1] @ w["encoder.dense.weight"] + w["encoder.dense.bias"]
        h = naive_lstm(np.tile(latent, (len(x), 1)), onnx_gates(w, "heads.inner", d), "iofc")
        h = naive_lstm(h, onnx_gates(w, "heads.outer", d), "iofc")
        want = h[-1] @ w["heads.dense.weight"][d] + w["heads.dense.bias"][d]
        observed, expected = run(runtime, one)
        np.testing.assert_allclose(observed[0, 0], x[-1], atol=1e-5)
        np.testing.assert_allclose(expected[0, 0], want, atol=1e-5)


@pytest.mark.parametrize("runtime", ["onnx", "torchscript"])
@pytest.mark.parametrize("batch", BATCHES)
def test_the_exports_answer_as_torch_does(
    model: LstmAe, parts: Split, runtime: str, batch: int
) -> None:
    graph = {
        "onnx": lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES),
        "torchscript": to_torchscript(model),
    }[runtime]
    rows = np.random.default_rng(batch).permutation(len(parts.held))[:batch]
    some = parts.held[rows]
    want = run(TorchGraph(model), some)
    got = run(load(runtime, graph), some)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_window_is_answered_alike_in_any_company(model: LstmAe, parts: Split) -> None:
    content = lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES)
    runtime = OnnxGraph.from_bytes(content)
    some = parts.held[np.random.default_rng(0).permutation(len(parts.held))[:40]]
    _, together = run(runtime, some)
    for i in range(len(some)):
        _, alone = run(runtime, some[i : i + 1])
        np.testing.assert_allclose(alone[0], together[i], atol=1e-6)


def test_another_device_is_decoded_by_another_head(model: LstmAe, parts: Split) -> None:
    one = parts.held[:1]
    latent = model.encoder(model.scaler(torch.from_numpy(one.window), torch.tensor([0])))
    first, second = (model.decode(latent, torch.tensor([d])) for d in (0, 1))
    assert not torch.allclose(first, second)


def test_weights_come_back_out_of_the_graph_bit_for_bit(model: LstmAe) -> None:
    graph = lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES)
    again = lstm_ae_weights.restore(*lstm_ae_onnx.weights_of(graph))
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert again.config.window == model.config.window
    assert again.config.clip == model.config.clip


def test_only_graphs_of_this_family_are_read_back(model: LstmAe) -> None:
    with pytest.raises(ValueError, match="not an ONNX model"):
        lstm_ae_onnx.weights_of(b"no graph")
    graph = onnx.load_from_string(lstm_ae_onnx.build(lstm_ae_weights.stack(model), 8, NAMES))
    del graph.metadata_props[:]
    with pytest.raises(ValueError, match="family"):
        lstm_ae_onnx.weights_of(graph.SerializeToString())


def test_the_graph_names_its_signals_and_versions(model: LstmAe) -> None:
    content = lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES)
    meta = ort.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert meta["signals"] == '["flow", "pressure", "temperature", "level"]'
    loaded = onnx.load_from_string(content)
    assert (loaded.ir_version, loaded.opset_import[0].version) == (10, 20)


def spoilt(content: bytes, name: str) -> bytes:
    """The graph with the first two gates of an LSTM's recurrent weights swapped."""
    graph = onnx.load_from_string(content)
    (tensor,) = [t for t in graph.graph.initializer if t.name == name]
    value = numpy_helper.to_array(tensor)
    blocks = value.reshape(value.shape[0], 4, -1, value.shape[-1])[:, [1, 0, 2, 3]]
    tensor.CopyFrom(numpy_helper.from_array(blocks.reshape(value.shape), name))
    changed: bytes = graph.SerializeToString()
    return changed


def test_verify_measures_a_right_graph_and_refuses_a_wrong_one(model: LstmAe, parts: Split) -> None:
    right = lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES)
    found = verify(TorchGraph(model), {"onnx": right}, shown(parts))
    assert found["onnx"] < 1e-5
    wrong = spoilt(right, "heads.outer.R")
    with pytest.raises(ParityError, match="onnx: expected at batch 1 differs"):
        verify(TorchGraph(model), {"onnx": wrong}, shown(parts))


class Deaf:
    """Answers with NaN, or in another shape."""

    provider = "nowhere"

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    inputs = ("window", "device")

    def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        nothing = np.full((len(feed["device"]), *self.shape), np.nan, np.float32)
        return {"observed": nothing, "expected": nothing}


@pytest.mark.parametrize("shape", [(1, 4), (2, 4)])
def test_verify_refuses_nan_and_other_shapes(
    model: LstmAe, parts: Split, shape: tuple[int, ...]
) -> None:
    right = lstm_ae_onnx.build(lstm_ae_weights.stack(model), model.config.window, NAMES)
    with pytest.raises(ParityError):
        verify(Deaf(shape), {"onnx": right}, shown(parts))


def test_training_repeats_exactly_for_a_seed(parts: Split, small: Config) -> None:
    first, second, other = (
        new_model(parts, replace(small, seed=seed, threads=1)) for seed in (1, 1, 2)
    )
    losses = [train(model, parts.fit, parts.held) for model in (first, second, other)]
    assert losses[0] == losses[1] != losses[2]
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_training_learns_and_keeps_the_best_epoch(parts: Split, small: Config) -> None:
    config = replace(small, epochs=4, learning_rate=1e-2)
    model = new_model(parts, config)
    losses = train(model, parts.fit, parts.held)
    assert min(losses) < losses[0]
    with torch.no_grad():
        held = torch.from_numpy(parts.held.window), torch.from_numpy(parts.held.device)
        assert float(model.loss(*held)) == pytest.approx(min(losses), rel=1e-4)


def test_training_ends_when_held_out_time_gains_nothing(parts: Split, small: Config) -> None:
    hopeless = replace(small, epochs=50, patience=2, learning_rate=0.0)
    model = new_model(parts, hopeless)
    assert len(train(model, parts.fit, parts.held)) == 1 + 2


def test_a_spike_is_clipped_and_a_still_signal_has_a_scale() -> None:
    scaler = Scaler(torch.zeros(1, 2), torch.ones(1, 2), 3.0)
    out = scaler(torch.tensor([[[1e9, -0.5]]]), torch.tensor([0]))
    assert out.tolist() == [[[3.0, -0.5]]]


def test_a_signal_that_stood_still_takes_its_width_from_the_other_devices(
    recordings: list[Recording], small: Config
) -> None:
    still = recordings[0].values.copy()
    still[:, 1] = 7.0
    first = replace(recordings[0], values=still)
    got = split([first, *recordings[1:]], Slicing(small.window, MINUTE), held_out=0.2)
    assert got.scale[0, 1] == got.scale[1:, 1].max()
    alone = split([first], Slicing(small.window, MINUTE), held_out=0.2)
    assert alone.scale[0, 1] == 1
