import itertools

import numpy as np
import pytest

from edge_anomaly.plants.bearings import (
    DEVICES,
    PERIOD_S,
    PLANT,
    SCALE,
    SIGNALS,
    Bearings,
    Failure,
    encode,
    failures,
)
from edge_anomaly.plants.vibration import BEARINGS, SNAPSHOT

FAILING = Failure("shaft-2", 1, 1, 3)


def test_gives_a_snapshot_of_every_bearing_in_chunks_of_any_size() -> None:
    slots, whole = Bearings(1).step(3)
    assert slots.tolist() == [0, 1, 2]
    assert whole.shape == (3, len(DEVICES), BEARINGS, SNAPSHOT)
    plant = Bearings(1)
    parts = np.concatenate([plant.step(n)[1] for n in (1, 0, 2)])
    np.testing.assert_array_equal(parts, whole)


def test_a_failure_is_heard_on_its_shaft_while_it_lasts() -> None:
    _, healthy = Bearings(1).step(4)
    _, failing = Bearings(1, [FAILING]).step(4)
    different = (failing != healthy).any(axis=(2, 3))
    # At its first snapshot its age is 0, and so is what is heard of it.
    assert np.argwhere(different).tolist() == [[2, 1]]


def test_damage_grows_with_the_square_of_its_age() -> None:
    failure = Failure("shaft-1", 3, 10, 20)
    damage = [failure.damage(slot) for slot in range(8, 22)]
    assert damage[:2] == damage[-2:] == [None, None]
    rms = [one.rms for one in damage if one is not None]
    np.testing.assert_allclose(rms, 2 * (np.arange(10) / 10) ** 2)


def test_one_bearing_fails_at_a_time_on_a_shaft() -> None:
    for seed in range(20):
        found = list(failures(seed, 600))
        assert found == list(failures(seed, 600))
        assert {failure.device for failure in found} == set(DEVICES)
        for device in DEVICES:
            mine = [failure for failure in found if failure.device == device]
            assert all(one.end < two.start for one, two in itertools.pairwise(mine))


def test_a_message_holds_the_time_of_its_first_sample_and_every_sample() -> None:
    _, heard = Bearings(2).step(1)
    t_s = 1_704_067_200 + 57.6
    [message] = encode("shaft-1", t_s, heard[0, 0])
    assert message.topic == "plant/shaft-1/vibration"
    start = int.from_bytes(message.payload[:8], "little")
    assert start == 1_704_067_257_600_000_000
    samples = np.frombuffer(message.payload[8:], "<i2").reshape(SNAPSHOT, BEARINGS)
    np.testing.assert_allclose(samples.T * SCALE, heard[0, 0], atol=SCALE)
    assert len(message.payload) < 1 << 20


def test_snapshots_lie_on_the_grid_of_snapshots() -> None:
    for slot in (0, 1, 1001):
        samples = round((PLANT.start_s + slot * PERIOD_S) * 20_000)
        assert samples % SNAPSHOT == 0
    assert list(SIGNALS) == ["bearing_1", "bearing_2", "bearing_3", "bearing_4"]


@pytest.mark.parametrize(("bearing", "start", "end"), [(4, 0, 1), (0, 2, 2), (0, -1, 2)])
def test_refuses_a_failure_that_cannot_be(bearing: int, start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no such failure"):
        Failure("shaft-1", bearing, start, end)


def test_refuses_a_shaft_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no such shaft: shaft-9"):
        Bearings(1, [Failure("shaft-9", 0, 0, 1)])


def test_refuses_to_step_back() -> None:
    with pytest.raises(ValueError, match="negative"):
        Bearings(1).step(-1)
