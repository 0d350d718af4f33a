import itertools
from collections import Counter

import numpy as np
import pytest

from edge_anomaly.plants.server_faults import ServerFault, ServerKind, server_faults
from edge_anomaly.plants.servers import SERVER_NAMES, SERVER_SIGNALS, ServerRoom

DAY = 1440
COLUMN = {name: column for column, name in enumerate(SERVER_SIGNALS)}


def readings(n: int, faults: tuple[ServerFault, ...] = (), seed: int = 3) -> np.ndarray:
    return ServerRoom(seed, faults).step(n)[1]


def test_demand_follows_day_and_week_and_the_rest_follows_demand() -> None:
    values = readings(7 * DAY)
    requests = values[..., COLUMN["requests"]]
    noon, night = requests[13 * 60 : 15 * 60], requests[4 * 60 : 6 * 60]
    assert (noon.mean(axis=0) > 2 * night.mean(axis=0)).all()
    sunday = requests[6 * DAY + 13 * 60 : 6 * DAY + 15 * 60]
    assert (sunday.mean(axis=0) < 0.8 * noon.mean(axis=0)).all()
    for name in ("connections", "cpu", "net_in", "temperature", "fan_speed"):
        for d in range(len(SERVER_NAMES)):
            assert np.corrcoef(requests[:, d], values[:, d, COLUMN[name]])[0, 1] > 0.8, name


def test_backups_run_at_night() -> None:
    out = readings(DAY)[..., COLUMN["net_out"]]
    assert (out[130:150].mean(axis=0) > 2 * out[60:100].mean(axis=0)).all()


def test_no_reading_is_negative_and_seeds_differ() -> None:
    assert readings(DAY).min() >= 0
    assert not np.array_equal(readings(DAY), readings(DAY, seed=4))


def test_chunks_of_any_size_give_the_same_readings_faults_and_all() -> None:
    faults = tuple(server_faults(1, SERVER_NAMES, DAY))
    room = ServerRoom(3, faults)
    parts = [room.step(n)[1] for n in (1, 255, 7, 0, 300, DAY - 563)]
    assert np.concatenate(parts).tobytes() == readings(DAY, faults).tobytes()


@pytest.mark.parametrize("kind", list(ServerKind))
def test_a_fault_shows_in_its_signals_on_its_server_while_it_lasts(kind: ServerKind) -> None:
    fault = next(f for f in server_faults(7, SERVER_NAMES, 5 * DAY) if f.kind is kind)
    healthy, broken = readings(fault.end + 300), readings(fault.end + 300, (fault,))
    column = SERVER_NAMES.index(fault.device)
    change = np.abs(broken - healthy)
    late = slice((fault.start + fault.end) // 2, fault.end)
    for name in fault.signals:
        usual = np.abs(np.diff(healthy[:, column, COLUMN[name]])).mean()
        assert change[late, column, COLUMN[name]].mean() > 3 * usual, name
    assert change[: fault.start].max() == 0
    change[:, column] = 0
    assert change.max() == 0


def test_each_kind_comes_once_before_any_comes_again_and_a_server_has_one_at_a_time() -> None:
    faults = list(server_faults(7, SERVER_NAMES, 5 * DAY))
    kinds = [fault.kind for fault in faults]
    for first in range(0, len(kinds) - 5, 6):
        assert Counter(kinds[first : first + 6]) == Counter(ServerKind)
    for device in SERVER_NAMES:
        mine = [fault for fault in faults if fault.device == device]
        for before, after in itertools.pairwise(mine):
            assert after.start > before.end


def test_what_cannot_break_is_refused() -> None:
    with pytest.raises(ValueError, match="no such server: toaster"):
        ServerRoom(1, (ServerFault("toaster", ServerKind.FLOOD, 0, 4, 5.0),))
    with pytest.raises(ValueError, match="must last"):
        ServerFault("web-1", ServerKind.FLOOD, 4, 4, 5.0)
    with pytest.raises(ValueError, match="n must not be negative"):
        ServerRoom(1).step(-1)
