import numpy as np
import pytest
from plant_accuracy import Raised, alarms, open_demo, ratios, stuck

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.plants import PERIOD_S, SIGNALS, Compressors, Fault, Kind
from edge_anomaly.ports import Model
from edge_anomaly.scoring import check_golden
from edge_export.shipped.compressors import OUT, SEED

RUN = 400
SETTLED = 120  # slots after which the score's averages have forgotten how they began


@pytest.fixture(scope="module")
def demo() -> tuple[Bundle, Model]:
    return open_demo()


def test_ships_small_and_for_onnx_alone(demo: tuple[Bundle, Model]) -> None:
    bundle, _ = demo
    assert sum(path.stat().st_size for path in OUT.iterdir()) < 300_000
    assert {runtime for branch in bundle.manifest.branches for runtime in branch.graphs} == {"onnx"}


def test_answers_as_it_did_when_it_was_made(demo: tuple[Bundle, Model]) -> None:
    check_golden(*demo)


def test_was_made_for_this_plant(demo: tuple[Bundle, Model]) -> None:
    manifest = demo[0].manifest
    assert manifest.devices == list(Compressors.devices)
    assert {signal.name: signal.unit for signal in manifest.signals} == SIGNALS
    assert manifest.period_ns == PERIOD_S * 1e9


@pytest.mark.parametrize("seed", [301, 302])
def test_stays_quiet_while_loads_change_and_nothing_is_broken(
    demo: tuple[Bundle, Model], seed: int
) -> None:
    assert seed != SEED
    ratio, _ = ratios(*demo, Compressors(seed), 1440)
    settled = ratio[SETTLED:]
    assert (settled > 1).mean() < 0.005
    assert np.median(settled) > 0.1  # quiet, not deaf


LOUD = [
    (Kind.FILTER_CLOGGING, 2.5, ""),
    (Kind.PRIMARY_SEAL_LEAK, 1.8, ""),
    (Kind.SEPARATION_GAS_LOSS, 0.4, ""),
    (Kind.VALVE_HUNTING, 0.2, ""),
    (Kind.SENSOR_DRIFT, 0.3, "separation_seal_gas_pressure"),
]


@pytest.mark.parametrize("device", Compressors.devices)
@pytest.mark.parametrize(("kind", "size", "sensor"), LOUD, ids=[kind.value for kind, *_ in LOUD])
def test_finds_what_breaks_on_every_machine_and_blames_the_right_signal(
    demo: tuple[Bundle, Model], kind: Kind, size: float, sensor: str, device: str
) -> None:
    fault = Fault.of(kind, device, (200, 320), size=size, signal=sensor)
    raised: list[Raised] = alarms(*demo, Compressors(303, [fault]), RUN)
    mine = [alarm for alarm in raised if alarm.device == device and alarm.slot >= 200]
    assert mine
    assert mine[0].slot < 290
    assert mine[0].signal in fault.signals
    assert not [alarm for alarm in raised if alarm.device != device and alarm.slot >= SETTLED]


def test_tells_a_stuck_sensor_though_its_line_looks_usual(demo: tuple[Bundle, Model]) -> None:
    sensor = "seal_gas_diff_pressure"
    fault = Fault.of(Kind.SENSOR_STUCK, "c-2", (100, 180), size=1.0, signal=sensor)
    [told] = stuck(*demo, Compressors(304, [fault]), 200)
    assert (told.device, told.signal) == ("c-2", sensor)
    assert 105 < told.slot < 120
