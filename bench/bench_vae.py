import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from vae_contenders import CONTENDERS, PEER, SHIPPED, SMALLEST, contender, feeds, turns

from edge_anomaly.plants.vibration import RATE, snapshots
from edge_kernels import spectra


@pytest.mark.parametrize("batch", [1, 128])
@pytest.mark.parametrize("name", CONTENDERS)
def bench_vae(benchmark: BenchmarkFixture, name: str, batch: int) -> None:
    some = feeds(batch)
    model = contender(name)
    got, want = model.run(some[0])["expected"], contender(PEER).run(some[0])["expected"]
    allowed = {SHIPPED: 0.05, SMALLEST: 0.3}.get(name, 1e-5)  # of the largest answer
    np.testing.assert_allclose(got, want, atol=allowed * np.abs(want).max())
    benchmark.group = f"vae, batch {batch}"
    benchmark(turns(model, some))


def bench_spectra(benchmark: BenchmarkFixture) -> None:
    block = snapshots(1, 1)
    benchmark.group = "spectra of a snapshot of four bearings"
    benchmark(lambda: spectra(block, rate=RATE, band=(2000, 9500), segment=2048, step=1024))
