"""Graphs in ONNX Runtime: where they run, in what blocks, and what is said when they cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_anomaly.adapters.onnx import OnnxGraph, open_session
from edge_anomaly.errors import BundleError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass
class Doubling:
    """A session that runs where it is told to and doubles what it is given."""

    running_on: list[str]
    properties: Mapping[str, str] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def get_providers(self) -> list[str]:
        return self.running_on

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="window")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="observed")]

    def get_modelmeta(self) -> Any:
        return SimpleNamespace(custom_metadata_map=self.properties)

    def run(self, outputs: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        assert outputs == ["observed"]
        self.sizes.append(len(feed["window"]))
        return [2 * feed["window"]]


@dataclass
class Opening:
    """Opens that session whatever the file, and remembers how."""

    session: Doubling
    arenas: list[bool] = field(default_factory=list)

    def __call__(self, _: bytes, /, *, arena: bool = True) -> Doubling:
        self.arenas.append(arena)
        return self.session


def doubling(**properties: str) -> bytes:
    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3])

    node = helper.make_node("Add", ["window", "window"], ["observed"])
    graph = helper.make_graph([node], "doubling", [value("window")], [value("observed")])
    opset = helper.make_opsetid("", 20)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    helper.set_model_props(model, properties)
    content: bytes = model.SerializeToString()
    return content


def test_a_gpu_that_the_runtime_offers_and_does_not_use_is_not_reported() -> None:
    for running_on in ([CPU], [CUDA, CPU]):
        graph = OnnxGraph(b"", "any.onnx", Opening(Doubling(running_on)))
        assert graph.provider == running_on[0]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ([CPU], [CPU]),
        (["AzureExecutionProvider", CPU], [CPU]),
        ([CPU, CUDA], [CUDA, CPU]),
        (["TensorrtExecutionProvider", CUDA, CPU], [CUDA, CPU]),
    ],
    ids=["cpu", "the wheel of today", "gpu", "the wheel for gpus"],
)
def test_a_session_asks_for_the_gpu_first_where_the_runtime_has_one_and_never_alone(
    monkeypatch: pytest.MonkeyPatch, offered: list[str], asked: list[str]
) -> None:
    given: list[Any] = []

    def session(_: bytes, options: Any, *, providers: list[str]) -> Doubling:
        given.extend([options, providers])
        return Doubling(providers)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    open_session(b"")
    options, providers = given
    assert providers == asked
    assert options.enable_cpu_mem_arena
    assert options.intra_op_num_threads == options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_real_session_runs_here_on_the_cpu() -> None:
    graph = OnnxGraph(doubling(), "real.onnx", open_session)
    window = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert graph.provider == CPU
    assert graph.inputs == ["window"]
    np.testing.assert_array_equal(graph.run({"window": window})["observed"], 2 * window)


def test_what_is_no_graph_is_refused_by_its_name() -> None:
    with pytest.raises(BundleError, match=r"^broken\.onnx: ONNX Runtime cannot load it"):
        OnnxGraph(b"nonsense", "broken.onnx", open_session)


def test_a_graph_that_asks_for_blocks_is_given_them() -> None:
    window = np.arange(14.0).reshape(7, 2)
    for properties, sizes in (({"rows": "3"}, [3, 3, 1]), ({}, [7])):
        session = Doubling([CPU], properties)
        graph = OnnxGraph(b"", "any.onnx", Opening(session))
        got = graph.run({"window": window, "device": np.zeros(7)})
        np.testing.assert_array_equal(got["observed"], 2 * window)
        assert session.sizes == sizes


def test_blocks_are_asked_for_in_the_file_itself() -> None:
    graph = OnnxGraph(doubling(rows="2"), "real.onnx", open_session)
    window = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.testing.assert_array_equal(graph.run({"window": window})["observed"], 2 * window)


def test_a_graph_that_wants_no_arena_is_opened_without_one() -> None:
    opening = Opening(Doubling([CPU], {"arena": "no"}))
    OnnxGraph(b"", "any.onnx", opening)
    assert opening.arenas == [True, False]  # only an open session says what it wants
    real = OnnxGraph(doubling(arena="no"), "real.onnx", open_session)
    window = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(real.run({"window": window})["observed"], 2 * window)


def test_wishes_that_make_no_sense_are_refused_by_the_file_s_name() -> None:
    with pytest.raises(BundleError, match=r"^odd\.onnx: .*its property rows is '0', not a number"):
        OnnxGraph(doubling(rows="0"), "odd.onnx", open_session)
