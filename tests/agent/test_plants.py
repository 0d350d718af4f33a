from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_anomaly.plants import SIGNALS, Compressors, Fault, Kind, random_faults
from edge_anomaly.plants.compressors import BLOCK, DAY
from edge_anomaly.plants.machines import DEVICES

NAMES = list(SIGNALS)
WEEK = 7 * DAY


def run(seed: int, slots: int, *faults: Fault) -> NDArray[np.float32]:
    return Compressors(seed, faults).step(slots)[1]


def signal(values: NDArray[np.float32], device: str, name: str) -> NDArray[np.float64]:
    return values[:, DEVICES.index(device), NAMES.index(name)].astype(np.float64)


def test_has_the_ten_signals_of_a_dry_gas_seal_on_four_machines() -> None:
    slots, values = Compressors(1).step(5)
    assert slots.tolist() == [0, 1, 2, 3, 4]
    assert values.shape == (5, 4, 10)
    assert values.dtype == np.float32
    assert len(DEVICES) == 4
    assert len(NAMES) == 10


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_gives_the_same_readings_in_chunks_of_any_size(seed: int, chunks: list[int]) -> None:
    faults = tuple(random_faults(seed, DEVICES, until=2000, first=3))
    whole = run(seed, sum(chunks), *faults)
    plant = Compressors(seed, faults)
    parts = [plant.step(chunk) for chunk in chunks]
    assert np.array_equal(np.concatenate([values for _, values in parts]), whole)
    assert np.concatenate([slots for slots, _ in parts]).tolist() == list(range(len(whole)))


def test_differs_from_seed_to_seed() -> None:
    assert not np.allclose(run(1, 50), run(2, 50), rtol=1e-3)


def test_refuses_to_step_back() -> None:
    with pytest.raises(ValueError, match="negative"):
        Compressors(1).step(-1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stays_in_the_range_of_its_instruments(seed: int) -> None:
    values = run(seed, WEEK)
    assert np.isfinite(values).all()
    low, high = values.min((0, 1)), values.max((0, 1))
    limits = {
        "filter_dp": (5, 60),
        "seal_gas_flow": (60, 150),
        "seal_gas_diff_pressure": (100, 220),
        "seal_gas_temp": (35, 85),
        "primary_vent_flow": (3, 25),
        "primary_vent_pressure": (15, 90),
        "secondary_seal_gas_flow": (7, 15),
        "separation_seal_gas_flow": (15, 28),
        "separation_seal_gas_pressure": (90, 150),
        "seal_gas_to_vent_diff_pressure": (3500, 5200),
    }
    for column, name in enumerate(NAMES):
        assert limits[name][0] < low[column] <= high[column] < limits[name][1], name


def test_machines_differ_in_level_and_noise() -> None:
    values = run(1, WEEK).astype(np.float64)
    level = values.mean(0)
    noise = np.diff(values, axis=0).std(0)
    for column, name in enumerate(NAMES[:9]):  # the last is the header's, which they share
        assert np.unique(np.round(level[:, column], 1)).size == 4, name
    old, new = DEVICES.index("c-4"), DEVICES.index("c-1")
    assert (noise[old] > noise[new]).all()


def test_signals_follow_each_other_as_in_a_seal() -> None:
    values = run(4, WEEK)
    for device in DEVICES:
        flow = signal(values, device, "seal_gas_flow")
        pressure = signal(values, device, "seal_gas_diff_pressure")
        fast = np.corrcoef(np.diff(flow), np.diff(pressure))[0, 1]
        assert fast > 0.3, "flow follows differential pressure"
        separation = signal(values, device, "separation_seal_gas_flow")
        assert np.corrcoef(pressure, separation)[0, 1] > 0.5, "both follow the load"
        vent = signal(values, device, "primary_vent_pressure")
        secondary = signal(values, device, "secondary_seal_gas_flow")
        assert np.corrcoef(vent, secondary)[0, 1] < -0.1, "vent pressure holds nitrogen back"


def test_gas_is_warmer_in_the_afternoon() -> None:
    temp = np.mean([signal(run(s, 28 * DAY), "c-1", "seal_gas_temp") for s in (1, 2)], axis=0)
    hour = (np.arange(28 * DAY) // 60) % 24
    afternoon, night = (
        temp[(hour >= 14) & (hour < 17)].mean(),
        temp[(hour >= 2) & (hour < 5)].mean(),
    )
    assert 1.5 < afternoon - night < 8


def test_healthy_load_moves_in_steps() -> None:
    flow = signal(run(1, WEEK), "c-1", "separation_seal_gas_flow")
    half = 15
    after = np.convolve(flow, np.ones(half) / half, "valid")
    steps = np.abs(after[half + 5 :] - after[: -half - 5])
    assert steps.max() > 6 * np.diff(flow).std()


def test_a_filter_wears_out_and_is_changed() -> None:
    values = run(1, 2 * WEEK)
    resistance = signal(values, "c-4", "filter_dp") / signal(values, "c-4", "seal_gas_flow") ** 2
    daily = resistance.reshape(-1, DAY).mean(1)
    assert (np.diff(daily) > 0).mean() > 0.6
    changed = daily[2:] - daily[:-2]  # the change itself is seldom at midnight
    assert changed.min() < -0.2 * daily.mean()


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "span", [(50, 130), (BLOCK - 30, BLOCK + 60), (BLOCK, BLOCK + 90), (0, 40)]
)
def test_a_fault_touches_its_machine_in_its_time_and_nothing_else(
    kind: Kind, span: tuple[int, int]
) -> None:
    sensor = "seal_gas_temp" if kind is Kind.SENSOR_DRIFT else "separation_seal_gas_flow"
    fault = Fault.of(kind, "c-2", span, size=0.3, signal=sensor)
    healthy, faulty = run(7, 400), run(7, 400, fault)
    changed = (healthy != faulty).any(axis=2)
    column = DEVICES.index("c-2")
    assert not np.delete(changed, column, axis=1).any()
    assert not changed[: span[0], column].any()
    assert not changed[span[1] :, column].any()
    assert changed[span[0] : span[1], column].mean() > 0.9


EFFECTS: list[tuple[Kind, float, str, dict[str, int]]] = [
    (Kind.FILTER_CLOGGING, 3.0, "", {"filter_dp": 1, "seal_gas_flow": -1}),
    (
        Kind.PRIMARY_SEAL_LEAK,
        2.0,
        "",
        {"primary_vent_flow": 1, "primary_vent_pressure": 1, "secondary_seal_gas_flow": -1},
    ),
    (
        Kind.SEPARATION_GAS_LOSS,
        0.5,
        "",
        {"separation_seal_gas_pressure": -1, "separation_seal_gas_flow": -1},
    ),
    (Kind.SENSOR_DRIFT, -0.2, "seal_gas_flow", {"seal_gas_flow": -1}),
]


@pytest.mark.parametrize(("kind", "size", "sensor", "effects"), EFFECTS)
def test_a_fault_moves_what_it_would_move_in_a_seal(
    kind: Kind, size: float, sensor: str, effects: dict[str, int]
) -> None:
    fault = Fault.of(kind, "c-4", (100, 200), size=size, signal=sensor)
    healthy, faulty = run(7, 200), run(7, 200, fault)
    for name in NAMES:
        before, after = (signal(v, "c-4", name)[150:] for v in (healthy, faulty))
        change = (after - before).mean() / before.std()
        if name in effects:
            assert change * effects[name] > 0.5, name
        elif name != "seal_gas_to_vent_diff_pressure" and kind is not Kind.FILTER_CLOGGING:
            assert change == 0, name


def test_a_hunting_valve_swings_around_its_set_point() -> None:
    fault = Fault.of(Kind.VALVE_HUNTING, "c-1", (100, 300), size=0.2)
    healthy, faulty = (
        signal(run(7, 300, *f), "c-1", "seal_gas_diff_pressure")[180:] for f in ((), (fault,))
    )
    assert faulty.std() > 4 * healthy.std()
    assert faulty.mean() == pytest.approx(healthy.mean(), rel=0.02)


def test_a_stuck_sensor_repeats_its_last_reading() -> None:
    name, span = "separation_seal_gas_flow", (BLOCK, BLOCK + 50)
    flow = signal(
        run(7, 400, Fault.of(Kind.SENSOR_STUCK, "c-1", span, size=1, signal=name)), "c-1", name
    )
    assert (flow[BLOCK : BLOCK + 50] == flow[BLOCK - 1]).all()
    assert flow[BLOCK + 50] != flow[BLOCK - 1]


def test_refuses_faults_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="must last"):
        Fault.of(Kind.VALVE_HUNTING, "c-1", (10, 10), size=0.2)
    with pytest.raises(ValueError, match="signal must be one of"):
        Fault.of(Kind.SENSOR_DRIFT, "c-1", (0, 10), size=0.2, signal="filter_dp")
    with pytest.raises(ValueError, match="no such compressor: c-9"):
        Compressors(1, [Fault.of(Kind.VALVE_HUNTING, "c-9", (0, 10), size=0.2)])


@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_random_faults_show_every_kind_and_leave_a_machine_time_to_recover(
    seed: int, until: int
) -> None:
    faults = list(random_faults(seed, DEVICES, until=until))
    assert faults == list(random_faults(seed, DEVICES, until=until))
    assert all(fault.end < until for fault in faults)
    assert [fault.start for fault in faults] == sorted(fault.start for fault in faults)
    for at in range(0, len(faults) - len(Kind) + 1, len(Kind)):
        assert {fault.kind for fault in faults[at : at + len(Kind)]} == set(Kind)
    for device in DEVICES:
        mine = [fault for fault in faults if fault.device == device]
        assert all(second.start >= first.end + 60 for first, second in pairwise(mine))


def test_a_fault_says_what_it_is_in_plain_words() -> None:
    leak = Fault.of(Kind.PRIMARY_SEAL_LEAK, "c-3", (1, 9), size=2)
    assert leak.sentence == "The primary seal of c-3 leaks into the vent."
    assert leak.signals == ("primary_vent_flow", "primary_vent_pressure")
    stuck = Fault.of(Kind.SENSOR_STUCK, "c-3", (1, 9), size=1, signal="seal_gas_diff_pressure")
    assert stuck.sentence == "The sensor seal_gas_diff_pressure of c-3 is stuck."
    assert stuck.signals == ("seal_gas_diff_pressure",)
