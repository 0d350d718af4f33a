import itertools
from collections import Counter

import numpy as np
import pytest

from edge_anomaly.plants.feeders import DAY, FEEDER_NAMES, FEEDERS, WEEK, usual_load
from edge_anomaly.plants.load_faults import LoadFault, LoadKind, load_faults
from edge_anomaly.plants.power import Works

SEED = 3
LONG = 40 * WEEK


def readings(n: int, faults: tuple[LoadFault, ...] = (), seed: int = SEED) -> np.ndarray:
    _, values = Works(seed, faults).step(n)
    return values[:, :, 0]


def test_load_follows_the_week() -> None:
    values = readings(8 * WEEK).reshape(8, 7, DAY, len(FEEDERS)).mean(axis=0)
    presses = values[..., FEEDER_NAMES.index("presses")]
    noon, night = presses[:, 40], presses[:, 4]
    assert (noon[:5] > 4 * night[:5]).all()
    assert noon[6] < 1.3 * night[6]
    assert 1.3 * night[5] < noon[5] < 0.7 * noon[0]


def test_a_shift_into_the_night_belongs_to_the_day_before() -> None:
    furnace = FEEDERS[FEEDER_NAMES.index("furnace")]
    one_in_the_night = 4.0
    tuesday, monday, sunday = (
        usual_load(furnace, np.array([d * DAY + one_in_the_night]))[0] for d in (1, 0, 6)
    )
    assert tuesday > 1.5 * monday  # nobody worked on the Sunday before
    assert sunday > 1.5 * monday  # but on the Saturday


def test_no_reading_is_negative_and_seeds_differ() -> None:
    assert readings(WEEK).min() >= 0
    assert not np.array_equal(readings(DAY), readings(DAY, seed=SEED + 1))


def test_chunks_of_any_size_give_the_same_readings_faults_and_all() -> None:
    faults = tuple(load_faults(1, 6 * WEEK))
    works = Works(SEED, faults)
    parts = [works.step(n)[1][:, :, 0] for n in (1, 95, 7, 0, 300, 6 * WEEK - 403)]
    assert np.concatenate(parts).tobytes() == readings(6 * WEEK, faults).tobytes()


def test_each_kind_comes_once_before_any_comes_again() -> None:
    kinds = [fault.kind for fault in load_faults(7, LONG)]
    for first in range(0, len(kinds) - 7, 8):
        assert Counter(kinds[first : first + 8]) == Counter(LoadKind)


def test_a_feeder_has_one_fault_at_a_time_and_a_day_of_rest() -> None:
    for device in FEEDER_NAMES:
        mine = [fault for fault in load_faults(7, LONG) if fault.device == device]
        assert mine
        for before, after in itertools.pairwise(mine):
            assert after.start - before.end >= DAY
    starts = [fault.start for fault in load_faults(7, LONG)]
    assert starts == sorted(starts)


@pytest.mark.parametrize("kind", list(LoadKind))
def test_a_fault_changes_its_feeder_while_it_lasts_and_nothing_else(kind: LoadKind) -> None:
    faults = [fault for fault in load_faults(7, LONG) if fault.kind is kind]
    for fault in faults[:2]:
        healthy, broken = readings(fault.end + DAY), readings(fault.end + DAY, (fault,))
        column = FEEDER_NAMES.index(fault.device)
        change = np.abs(broken - healthy)
        during = slice(fault.start, fault.end)
        usual = usual_load(FEEDERS[column], np.arange(WEEK, dtype=np.float64))
        assert change[during, column].max() > 0.1 * (usual.max() - usual.min()), fault
        change[during, column] = 0
        assert change.max() == 0


def test_a_stuck_meter_says_one_thing() -> None:
    fault = LoadFault.of(LoadKind.FLAT, "presses", (40, 60), 1.0)
    assert len(set(readings(DAY, (fault,))[40:60, 0].tolist())) == 1


def test_what_cannot_break_is_refused() -> None:
    with pytest.raises(ValueError, match="no such feeder: sauna"):
        Works(1, (LoadFault.of(LoadKind.LEVEL, "sauna", (0, 4), 0.3),))
    with pytest.raises(ValueError, match="must last"):
        LoadFault.of(LoadKind.LEVEL, "presses", (4, 4), 0.3)
    with pytest.raises(ValueError, match="n must not be negative"):
        Works(1).step(-1)
