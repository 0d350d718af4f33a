"""What every plant of the table must offer, whoever adds it."""

import pytest

from edge_anomaly.adapters.bundles import read_bundle
from edge_anomaly.demo.command import bundle_of
from edge_anomaly.plants import PLANTS, Plant

every_plant = pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))


@every_plant
def test_ships_with_a_bundle_made_for_it(plant: Plant) -> None:
    manifest = read_bundle(bundle_of(plant)).manifest
    assert manifest.name == plant.name
    assert set(plant.devices) <= set(manifest.devices)
    assert {signal.name for signal in manifest.signals} <= set(plant.signals)


@every_plant
def test_its_bundle_remembers_healthy_time_for_the_watchdogs(plant: Plant) -> None:
    bundle = read_bundle(bundle_of(plant))
    assert (bundle.calibration["reference.windows"] > 0).all()  # or nothing ever drifts
    if plant.name != "bearings":  # whose bundle is older, and large: signals are named for `stuck`
        shape = len(bundle.manifest.devices), len(bundle.manifest.signals)
        assert bundle.calibration["still"].shape == shape
        assert "dirty" not in bundle.manifest.provenance.commit


@every_plant
def test_tells_what_breaks_where_it_shows_and_until_when(plant: Plant) -> None:
    faults = plant.trouble(1, None)
    assert faults
    assert faults == plant.trouble(1, None)
    assert faults != plant.trouble(2, None)
    for fault in faults:
        assert fault.device in plant.devices
        assert set(fault.signals) <= set(plant.signals)
        assert 0 <= fault.start < fault.end <= plant.horizon
        assert fault.device in fault.sentence
        assert str(fault.kind)


@every_plant
def test_a_short_run_has_no_fault_that_begins_after_it(plant: Plant) -> None:
    assert all(fault.start < 50 for fault in plant.trouble(1, 50))


@every_plant
def test_gives_the_same_readings_in_chunks_of_any_size(plant: Plant) -> None:
    whole, values = plant.new(3, ()).step(4)
    run = plant.new(3, ())
    parts = [run.step(n) for n in (1, 0, 3)]
    assert whole.tolist() == [0, 1, 2, 3] == [slot for slots, _ in parts for slot in slots]
    assert values.shape[:2] == (4, len(plant.devices))
    assert [v.tobytes() for _, p in parts for v in p] == [v.tobytes() for v in values]
