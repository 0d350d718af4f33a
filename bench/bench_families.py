import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from round_robin import FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def bench_hot(benchmark: BenchmarkFixture, name: str) -> None:
    benchmark.group = "one window, hot"
    benchmark(FAMILIES[name]())


@pytest.mark.parametrize("name", FAMILIES)
def bench_in_turns(benchmark: BenchmarkFixture, name: str) -> None:
    """Each run behind one of every other family, which is not timed."""
    runs = {each: make() for each, make in FAMILIES.items()}

    def others() -> None:
        for other, run in runs.items():
            if other != name:
                run()

    benchmark.group = "one window, in turns"
    benchmark.pedantic(runs[name], setup=others, rounds=200)  # type: ignore[no-untyped-call] # theirs
