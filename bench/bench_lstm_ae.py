import numpy as np
import pytest
from lstm_ae_contenders import BATCHES, CONTENDERS, DEVICES, batches, contender, turns
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("devices", DEVICES)
@pytest.mark.parametrize("name", CONTENDERS)
def bench_lstm_ae(benchmark: BenchmarkFixture, name: str, devices: int, batch: int) -> None:
    some = batches(devices, batch)
    model, reference = contender(name, devices), contender(CONTENDERS[0], devices)
    got, want = model.run(some[0].feed), reference.run(some[0].feed)
    for output in ("observed", "expected"):
        np.testing.assert_allclose(got[output], want[output], atol=1e-5)
    benchmark.group = f"lstm-ae, {devices} devices, batch {batch}"
    benchmark(turns(model, some))
