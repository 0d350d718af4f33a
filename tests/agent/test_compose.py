"""An agent that is put together has compiled what it will call, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import edge_anomaly.plants
from edge_anomaly.plants.table import PLANTS

BUNDLES = Path(edge_anomaly.plants.__file__).parent / "bundles"
CONFIG = """\
site: north
agent: gw
broker: {{url: "embedded:"}}
inputs:
  - {{topic: "plant/{{device}}/{{signal}}", lateness: 0s, max_gap: 1h}}
models:
  - {{bundle: {bundle}, devices: ["*"], aggregate: {how}}}
"""
LIVE = """
import importlib, json, pkgutil, sys
from pathlib import Path
import numpy as np
import edge_kernels
from numba.core.registry import CPUDispatcher
from edge_anomaly.compose import compose

def compiled():
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(edge_kernels.__path__, "edge_kernels.")
    ]
    return sorted(
        {
            f"{name} {signature}"
            for module in modules
            for name, kernel in vars(module).items()
            if isinstance(kernel, CPUDispatcher)
            for signature in kernel.signatures
        }
    )

[monitor] = compose(Path(sys.argv[1])).monitors
composed = compiled()
slots, signals = monitor.bundle.window + 3, len(monitor.signals)
period = monitor.timeline.period_ns
slot, signal = (each.ravel() for each in np.mgrid[:slots, :signals])
value = np.random.default_rng(0).normal(size=slot.size).astype(np.float32)
readings = edge_kernels.Readings(np.zeros_like(slot), signal, slot * period, value)
last = period * slots
judged = [*monitor.place(readings, last), *monitor.expire(2 * last)]
monitor.prepare()
monitor.forget(0)
json.dump([composed, compiled(), sum(one.score is not None for one in judged)], sys.stdout)
"""


def kernels(folder: Path, bundle: str, how: str = "last") -> tuple[list[str], list[str]]:
    """Compiled forms of kernels in a fresh process: of an agent put together, and at work."""
    file = folder / "plant.yaml"
    file.write_text(CONFIG.format(bundle=BUNDLES / bundle, how=how), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LIVE, str(file)],
        check=True,
        capture_output=True,
        text=True,
    )
    composed, after, scored = json.loads(done.stdout)
    assert scored > 0
    return composed, after


@pytest.mark.parametrize("how", ["last", "mean"])
@pytest.mark.parametrize("plant", PLANTS)
def test_no_window_waits_for_a_compiler(tmp_path: Path, plant: str, how: str) -> None:
    composed, after = kernels(tmp_path, plant, how)
    assert composed == after


def test_no_kernel_is_loaded_that_no_bundle_uses(tmp_path: Path) -> None:
    composed, _ = kernels(tmp_path, "compressors")
    assert {name.split()[0] for name in composed} == {
        "_begin_anew",
        "_mean_of_largest",
        "_move_on",
        "_recent_energy",
        "_smooth",
        "_standardise",
        "_whiten",
    }
