from pathlib import Path

import pytest

from edge_anomaly.plants import SIGNALS, Compressors
from edge_export.bundles.package import read_bundle
from edge_export.families.lstm_ae import Config
from edge_export.shipped.compressors import build

TINY = Config(outer=4, inner=4, latent=4, epochs=1, stride=40, held_out=0.5)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "compressors"
    build(folder, days=1, config=TINY)
    return folder


def test_builds_a_bundle_that_the_agent_opens(out: Path) -> None:
    manifest = read_bundle(out).manifest
    assert manifest.name == "compressors"
    assert manifest.family == "lstm-ae"
    assert manifest.devices == list(Compressors.devices)
    assert [signal.name for signal in manifest.signals] == list(SIGNALS)


def test_writes_no_torchscript_for_the_gateway(out: Path) -> None:
    assert not list(out.glob("*.pt"))
