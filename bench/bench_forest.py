import pytest
from elastic import CASES
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("name", [name for name in CASES if "forest" in name])
@pytest.mark.parametrize("implementation", ["ours", "scikit-learn"])
def bench_forest(benchmark: BenchmarkFixture, implementation: str, name: str) -> None:
    case = CASES[name]()
    run = case.ours if implementation == "ours" else case.peers[0].run
    if run is None:
        pytest.skip("scikit-learn is not installed: install the extra `train`")
    run()  # compile outside the clock
    benchmark.group = name
    benchmark(run)
