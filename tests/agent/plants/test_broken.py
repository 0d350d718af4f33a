import numpy as np
import pytest

from edge_anomaly.plants.broken import during, extent, grown, of_devices
from edge_anomaly.plants.server_faults import ServerFault, ServerKind

LEAK, FLOOD = ServerKind.MEMORY_LEAK, ServerKind.FLOOD
FAULTS = (ServerFault("a", LEAK, 10, 20, 3.0), ServerFault("b", FLOOD, 10, 20, 2.0))
SLOT = np.arange(30)


def test_a_fault_of_a_machine_that_is_not_there_is_refused() -> None:
    assert of_devices(iter(FAULTS), ("a", "b"), "pump") == FAULTS
    with pytest.raises(ValueError, match="no such pump: b"):
        of_devices(FAULTS, ("a",), "pump")


@pytest.mark.parametrize(
    ("slots", "there"), [((0, 10), 0), ((0, 11), 1), ((19, 30), 1), ((20, 30), 0)]
)
def test_a_fault_falls_into_the_slots_it_lasts(slots: tuple[int, int], there: int) -> None:
    assert len(list(during(FAULTS, np.arange(*slots), LEAK))) == there


def test_it_grows_for_a_share_of_its_time_and_ends_at_once() -> None:
    found = grown(SLOT, 10, 20, 0.4)
    assert found[:10].tolist() == [0.0] * 10
    assert found[10:14].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert found[13:20].tolist() == [1.0] * 7
    assert found[20:].tolist() == [0.0] * 10


def test_sizes_of_a_kind_are_told_by_device() -> None:
    found = extent(FAULTS, LEAK, SLOT, ("a", "b"), minus=1.0)
    assert found.shape == (30, 2)
    assert found[19].tolist() == [2.0, 0.0]
