import numpy as np
import torch

from edge_export.graphs.exporting import to_onnx
from edge_export.graphs.quantise import quantised
from edge_export.graphs.verify import OnnxGraph


def test_eight_bits_take_a_quarter_and_answer_nearly_the_same() -> None:
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Linear(1024, 256), torch.nn.LeakyReLU(), torch.nn.Linear(256, 1024)
    )
    whole = to_onnx(module, {"window": torch.zeros(3, 1024)}, ["expected"])
    small = quantised(whole)
    assert small is not None
    assert len(small) < 0.3 * len(whole)
    window = np.random.default_rng(1).standard_normal((17, 1024)).astype(np.float32)
    want = OnnxGraph.from_bytes(whole).run({"window": window})["expected"]
    got = OnnxGraph.from_bytes(small).run({"window": window})["expected"]
    assert 0 < np.abs(got - want).max() < 0.05 * np.abs(want).max()


def test_a_small_graph_has_nothing_to_gain() -> None:
    small = to_onnx(torch.nn.Linear(8, 8), {"window": torch.zeros(3, 8)}, ["expected"])
    assert quantised(small) is None
