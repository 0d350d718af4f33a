import numpy as np
import torch

from edge_export.exporting import to_onnx
from edge_export.quantise import quantised
from edge_export.verify import OnnxGraph


def test_eight_bits_take_a_quarter_and_answer_nearly_the_same() -> None:
    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Linear(512, 256), torch.nn.LeakyReLU(), torch.nn.Linear(256, 512)
    )
    whole = to_onnx(module, {"window": torch.zeros(3, 512)}, ["expected"])
    small = quantised(whole)
    assert len(small) < 0.3 * len(whole)
    window = np.random.default_rng(1).standard_normal((17, 512)).astype(np.float32)
    want = OnnxGraph.from_bytes(whole).run({"window": window})["expected"]
    got = OnnxGraph.from_bytes(small).run({"window": window})["expected"]
    assert 0 < np.abs(got - want).max() < 0.05 * np.abs(want).max()
