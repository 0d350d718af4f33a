from pathlib import Path

from edge_anomaly.plants.power import POWER
from edge_export.families.usad import Config
from edge_export.shipped.power import build, recordings


def test_healthy_weeks_begin_on_a_monday_long_before_the_demo() -> None:
    feeders = recordings(1)
    assert tuple(recording.device for recording in feeders) == POWER.devices
    start = feeders[0].t_ns[0] // 10**9
    assert (start // 86_400 + 3) % 7 == 0
    assert start < POWER.start_s


def test_builds_a_bundle_for_every_feeder(tmp_path: Path) -> None:
    bundle = build(tmp_path / "power", weeks=6, config=Config(trees=10))
    assert tuple(bundle.manifest.devices) == POWER.devices
    assert [signal.unit for signal in bundle.manifest.signals] == ["kW"]
