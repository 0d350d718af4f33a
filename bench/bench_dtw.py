import pytest
from elastic import CASES
from pytest_benchmark.fixture import BenchmarkFixture

DISTANCES = [name for name in CASES if "forest" not in name]


@pytest.mark.parametrize("name", DISTANCES)
def bench_dtw(benchmark: BenchmarkFixture, name: str) -> None:
    case = CASES[name]()
    case.ours()  # compile outside the clock
    benchmark.group = name
    benchmark(case.ours)


@pytest.mark.parametrize("name", DISTANCES)
def bench_dtaidistance(benchmark: BenchmarkFixture, name: str) -> None:
    [peer, *_] = CASES[name]().peers
    if peer.run is None:
        pytest.skip("dtaidistance is not installed: install the extra `bench`")
    benchmark.group = name
    benchmark(peer.run)
