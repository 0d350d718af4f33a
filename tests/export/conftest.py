from pathlib import Path

import pytest
from coupled import record

from edge_anomaly.files.bundle import Bundle
from edge_export.bundles.package import read_bundle
from edge_export.bundles.train import Plan, train_bundle
from edge_export.data.recordings import Recording
from edge_export.families.lstm_ae import Config

SMALL = Config(window=8, outer=7, inner=5, latent=3, epochs=1, batch=64, seed=3)


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    return [record(f"c-{i}", i) for i in range(1, 4)]


@pytest.fixture(scope="session")
def small() -> Config:
    return SMALL


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory: pytest.TempPathFactory, recordings: list[Recording]) -> Path:
    out = tmp_path_factory.mktemp("bundles") / "three"
    train_bundle("lstm-ae", recordings, SMALL, out, Plan(name="three"))
    return out


@pytest.fixture
def bundle_files(bundle_folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle_folder.iterdir()}


@pytest.fixture
def newcomer() -> Recording:
    return record("c-9", 9)


@pytest.fixture(scope="session")
def bundle(bundle_folder: Path) -> Bundle:

    return read_bundle(bundle_folder)
