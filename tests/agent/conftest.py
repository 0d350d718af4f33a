from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import BROKERS, Broker, make_broker


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    """A running broker of each kind."""
    broker = make_broker(request.param, tmp_path)
    broker.start()
    yield broker
    broker.stop()
