"""On numba's simulator of a GPU: right answers, and nothing of speed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from edge_kernels.dtw_cuda import dtw_batch_cuda

AGREES = """
import naive, numpy as np
from edge_kernels.dtw_cuda import dtw_batch_cuda
random = np.random.default_rng(0)
cases = [(1, 1, 0, 1), (5, 5, 0, 1), (6, 5, 1, 2), (9, 12, 4, 1), (12, 12, 11, 3)]
for dtype, rtol in (("f4", 1e-5), ("f8", 1e-12)):
    for n, m, radius, channels in cases:
        x, y = (random.normal(size=(3, k, channels)).astype(dtype) for k in (n, m))
        if channels == 1:
            x, y = x[..., 0], y[..., 0]
        want = [naive.dtw(a, b, radius) for a, b in zip(x, y)]
        got = dtw_batch_cuda(x, y, radius)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, want, rtol)
x, y = np.zeros((2, 4)), np.ones((2, 4))
x[1, 2] = np.nan
np.testing.assert_equal(dtw_batch_cuda(x, y, 1), [4, np.nan])
"""


def test_agrees_with_the_definition() -> None:
    environment = {
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", AGREES], check=True, env=os.environ | environment)


def test_without_a_gpu_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.cuda.is_available", lambda: False)
    with pytest.raises(RuntimeError, match="call dtw_batch instead"):
        dtw_batch_cuda(np.zeros((2, 4)), np.zeros((2, 4)), 1)


def test_refuses_what_dtw_batch_refuses() -> None:
    with pytest.raises(ValueError, match="must"):
        dtw_batch_cuda(np.zeros((2, 4)), np.zeros((3, 4)), 1)
    with pytest.raises(ValueError, match="must"):
        dtw_batch_cuda(np.zeros((2, 4)), np.zeros((2, 9)), 1)
    with pytest.raises(TypeError, match="must"):
        dtw_batch_cuda(np.zeros((2, 4), int), np.zeros((2, 4)), 1)


def test_a_gateway_does_not_load_it() -> None:
    code = "import edge_kernels, sys; print('numba.cuda' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert out.stdout == "False\n"
