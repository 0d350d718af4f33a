import numpy as np
import pytest
from gevae_contenders import AGAIN, BATCHES, CONTENDERS, PEER, feeds, step, turns
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("name", CONTENDERS)
def bench_gevae(benchmark: BenchmarkFixture, name: str, batch: int) -> None:
    some = feeds(batch)
    if name != AGAIN:  # which sees other windows
        np.testing.assert_allclose(step(name)(some[0]), step(PEER)(some[0]), atol=1e-5)
    benchmark.group = f"gevae, batch {batch}"
    benchmark(turns(step(name), some))
