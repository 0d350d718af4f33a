"""What a bundle's golden inputs are good for besides proving it: no window waits for a compiler."""

import json
import subprocess
import sys
from pathlib import Path

import plants
import pytest

import edge_anomaly.plants
from edge_anomaly.plants.table import PLANTS
from edge_anomaly.scoring import check_golden
from edge_anomaly.scoring.batch import Batch, Floats, Part, Step
from edge_anomaly.scoring.stages import STAGES

BUNDLES = Path(edge_anomaly.plants.__file__).parent / "bundles"
LIVE = """
import importlib, json, pkgutil, sys
from pathlib import Path
import numpy as np
import edge_kernels
from numba.core.registry import CPUDispatcher
from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.scoring import Scorer

def compiled():
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(edge_kernels.__path__, "edge_kernels.")
    ]
    return sorted(
        f"{name} {signature}"
        for module in modules
        for name, kernel in vars(module).items()
        if isinstance(kernel, CPUDispatcher)
        for signature in kernel.signatures
    )

folder = Path(sys.argv[1])
bundle = read_bundle(folder)
model = load_model(bundle, folder)
loaded = compiled()
scorer = Scorer(bundle, model)
rng = np.random.default_rng(0)
shape = (5, bundle.window, len(bundle.signals))
window = bundle.golden.window[:1] + rng.normal(size=shape).astype(np.float32)
fresh = np.array([False, False, True, False, False])
scores = scorer.score(window, np.zeros(5, np.int64), bundle.golden.slot[0] + np.arange(5), fresh)
scorer.prepare()
for row in range(5):
    scores.where(row)
json.dump([loaded, compiled()], sys.stdout)
"""


def kernels(bundle: Path) -> tuple[list[str], list[str]]:
    """Compiled forms of kernels in a fresh process: with the bundle loaded, and after windows."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIVE, str(bundle)],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded, after = json.loads(done.stdout)
    return loaded, after


@pytest.mark.parametrize("plant", PLANTS)
def test_a_bundle_that_has_answered_needs_no_other_kernel(plant: str) -> None:
    loaded, after = kernels(BUNDLES / plant)
    assert loaded == after


def test_a_bundle_loads_no_kernel_that_it_does_not_use() -> None:
    loaded, _ = kernels(BUNDLES / "compressors")
    assert {name.split()[0] for name in loaded} == {
        "_whiten",
        "_standardise",
        "_recent_energy",
        "_mean_of_largest",
        "_smooth",
    }


def test_what_only_alarms_ask_for_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def telling(_part: Part) -> Step:
        def step(tracks: Floats, batch: Batch) -> Floats:
            batch.where = asked.append
            return tracks

        return step

    monkeypatch.setitem(STAGES, "residual", telling)
    check_golden(plants.bundle(), plants.model())
    assert asked == [0]
