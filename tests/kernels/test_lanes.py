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
from edge_kernels import dtw, dtw_batch, lanes
assert lanes.REGISTER_BYTES == int(sys.argv[1]), lanes.REGISTER_BYTES
random = np.random.default_rng(0)
for dtype, n, m, radius in (("f4", 37, 35, 2), ("f4", 50, 50, 9), ("f4", 50, 50, 40), ("f8", 33, 30, 6)):
    x, y = random.normal(size=(19, n)).astype(dtype), random.normal(size=(19, m)).astype(dtype)
    want = [naive.dtw(*pair, radius) for pair in zip(x, y)]
    np.testing.assert_allclose(dtw_batch(x, y, radius), want, 1e-5)
    if dtype == "f4":
        np.testing.assert_allclose([dtw(*pair, radius) for pair in zip(x, y)], want, 1e-5)
    else:
        assert dtw_batch(x, y, radius).tolist() == want
"""


@on_x86
@pytest.mark.parametrize(
    ("cpu", "features", "width"),
    [
        pytest.param("haswell", "+avx2,+fma", 32, id="AVX2"),
        pytest.param("generic", "+sse4.2", 16, id="SSE, and no fused multiply-add"),
    ],
)
def test_narrower_registers_give_the_same_distances(
    cpu: str, features: str, width: int
) -> None:
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
def test_the_registers_are_as_wide_as_the_cpu_has_them(
    features: str, width: int
) -> None:
    assert register_bytes(features) == width
