import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from usad_contenders import BATCHES, CONTENDERS, PEER, WINDOWS, contender, feeds, turns


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("window", WINDOWS[:1])  # the long one takes minutes to export
@pytest.mark.parametrize("name", CONTENDERS)
def bench_usad(benchmark: BenchmarkFixture, name: str, window: int, batch: int) -> None:
    some = feeds(window, batch)
    graph, peer = contender(name, "default", window), contender(PEER, "default", window)
    got, want = graph.run(some[0]), peer.run(some[0])
    for output in ("observed", "expected"):
        np.testing.assert_allclose(got[output], want[output], atol=1e-5)
    benchmark.group = f"usad, {window} slots, batch {batch}"
    benchmark(turns(graph, some))
