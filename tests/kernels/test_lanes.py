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
for n, m, radius in ((37, 35, 2), (50, 50, 9), (50, 50, 40)):
    x, y = (random.normal(size=(19, k)).astype("f4") for k in (n, m))
    want = [naive.dtw(a, b, radius) for a, b in zip(x, y)]
    np.testing.assert_allclose(dtw_batch(x, y, radius), want, 1e-5)
    np.testing.assert_allclose([dtw(a, b, radius) for a, b in zip(x, y)], want, 1e-5)
x, y = random.normal(size=(2, 19, 33))
assert dtw_batch(x, y, 6).tolist() == [naive.dtw(a, b, 6) for a, b in zip(x, y)]
"""


@on_x86
@pytest.mark.parametrize(
    ("cpu", "features", "width"),
    [
        pytest.param("haswell", "+avx2,+fma", 32, id="AVX2"),
        pytest.param("generic", "+sse4.2", 16, id="SSE, and no fused multiply-add"),
    ],
)
def test_narrower_registers_give_the_same_distances(cpu: str, features: str, width: int) -> None:
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
