import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Bundle, Stage
from edge_anomaly.scoring import Batch
from edge_export.calibration.fitting import Fitting
from edge_export.calibration.left_out import line_levels
from edge_export.calibration.vibration_fits import fit_lines
from edge_kernels import strongest_lines

LINES, SIGNALS, STRONGEST = 40, 2, 3


def fitting(bundle: Bundle, residual: NDArray[np.float32], device: NDArray[np.int64]) -> Fitting:
    """Of a stage that knows the second half of `residual` (N, 2 * LINES, SIGNALS) for lines."""
    devices = [f"shaft-{d}" for d in range(int(device.max()) + 1)]
    manifest = msgspec.structs.replace(bundle.manifest, devices=devices)
    batch = Batch(device, device, residual, residual, residual * 0)
    return Fitting(Stage(stage="lines", largest=STRONGEST), None, manifest, residual, batch)


def drawn(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Lines as an average of a few periodograms leaves them."""
    lines = np.log(rng.chisquare(10, (n, 2 * LINES, SIGNALS)))
    return lines.astype(np.float32)


def test_a_line_is_as_strong_as_all_other_windows_of_its_device_say(bundle: Bundle) -> None:
    device = np.arange(60) % 2
    residual = drawn(np.random.default_rng(0), 60)
    residual[device == 1] += 3
    seen = fitting(bundle, residual, device)
    found = fit_lines(seen)
    levels = line_levels(seen, found["mean"], found["deviation"])
    shown = residual[:, LINES:].astype(np.float64)
    for i in range(60):
        others = shown[(device == device[i]) & (np.arange(60) != i)]
        off = (shown[i] - others.mean(axis=0)) / others.std(axis=0)
        want = np.sort(np.maximum(off, 0), axis=0)[-STRONGEST:].mean(axis=0)
        np.testing.assert_allclose(levels[i, 1], want, rtol=2e-3)  # of a deviation and its floor
    np.testing.assert_allclose(levels[:, 0], np.square(residual).mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize("n", [60, 200])
def test_as_many_new_windows_exceed_a_limit_as_it_was_set_for(bundle: Bundle, n: int) -> None:
    rng = np.random.default_rng(1)
    above: list[float] = []
    naive: list[float] = []
    for _ in range(20):
        healthy, later = drawn(rng, n), drawn(rng, 500)
        row = np.zeros(n, np.int64)
        seen = fitting(bundle, healthy, row)
        found = fit_lines(seen)
        constants = found["mean"], found["deviation"]
        new = strongest_lines(later, np.zeros(500, np.int64), *constants, first=LINES, k=STRONGEST)
        own = strongest_lines(healthy, row, *constants, first=LINES, k=STRONGEST)
        for shares, levels in ((above, line_levels(seen, *constants)), (naive, own)):
            limit = np.quantile(levels[:, 1], 0.95, axis=0)
            shares.append(float((new[:, 1] > limit).mean()))
    usual = 1 - (0.95 * (n - 1) + 1) / (n + 1)  # what the quantile of n leaves above it
    assert np.mean(above) == pytest.approx(usual, abs=0.008)
    assert np.mean(above) < np.mean(naive)
