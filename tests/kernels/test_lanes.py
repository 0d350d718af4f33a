import os
import platform
import subprocess
import sys

import pytest

from edge_kernels.lanes import register_bytes

on_x86 = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"}, reason="names CPUs of x86"
)

AGREES = """
import sys
import naive, numpy as np
from edge_kernels import dtw, dtw_batch, dtw_path, lanes
assert lanes.REGISTER_BYTES == int(sys.argv[1]), lanes.REGISTER_BYTES
random = np.random.default_rng(0)
for n, m, radius in ((37, 35, 2), (50, 50, 9), (50, 50, 40)):
    x, y = (random.normal(size=(19, k)).astype("f4") for k in (n, m))
    want = [naive.dtw(a, b, radius) for a, b in zip(x, y)]
    np.testing.assert_allclose(dtw_batch(x, y, radius), want, 1e-5)
    np.testing.assert_allclose([dtw(a, b, radius) for a, b in zip(x, y)], want, 1e-5)
x, y = random.normal(size=(2, 19, 33))
assert dtw_batch(x, y, 6).tolist() == [naive.dtw(a, b, 6) for a, b in zip(x, y)]
for dtype, shape, radius in (("f4", (70, 1), 30), ("f8", (50, 1), 4), ("f4", (33, 5), 6)):
    X, Y = random.normal(size=(2, 19, *shape)).astype(dtype)
    want = [naive.dtw(a, b, radius) for a, b in zip(X, Y)]
    np.testing.assert_allclose(dtw_batch(X, Y, radius), want, 1e-5)
    for x, y, distance in zip(X, Y, want):
        found, path, profile = dtw_path(x, y, radius)
        i, j = path.T
        costs = ((x[i] - y[j]).astype("f8") ** 2).sum(1)
        np.testing.assert_allclose([found, costs.sum(), profile.sum()], distance, 1e-5)
        assert np.isin(np.diff(path, axis=0), (0, 1)).all() and abs(i - j).max() <= radius
"""


@on_x86
@pytest.mark.parametrize(
    ("cpu", "features", "width"),
    [
        pytest.param("haswell", "+avx2,+fma", 32, id="AVX2"),
        pytest.param("generic", "+sse4.2", 16, id="SSE, and no fused multiply-add"),
    ],
)
def test_narrower_registers_change_no_result(cpu: str, features: str, width: int) -> None:
    environment = {
        "NUMBA_CPU_NAME": cpu,
        "NUMBA_CPU_FEATURES": features,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run(
        [sys.executable, "-c", AGREES, str(width)],
        check=True,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("features", "width"),
    [
        ("+sse4.2,+avx,+avx2,+avx512f,-avx512bw", 64),
        ("+sse4.2,+avx,+avx2,-avx512f", 32),
        ("+sse4.2,-avx2", 16),
        ("+neon,+fp-armv8", 16),
        ("", 16),
    ],
)
def test_the_registers_are_as_wide_as_the_cpu_has_them(features: str, width: int) -> None:
    assert register_bytes(features) == width
