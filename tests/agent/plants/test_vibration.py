import numpy as np
import pytest

from edge_anomaly.plants.vibration import (
    BEARINGS,
    RATE,
    SNAPSHOT,
    Damage,
    snapshot,
    snapshots,
)
from edge_kernels import spectra


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_healthy_bearing_is_about_as_loud_as_one() -> None:
    loud = snapshots(1, 30).std(axis=1)
    assert loud.shape == (30, BEARINGS)
    np.testing.assert_allclose(np.median(loud, axis=0), 1.0, rtol=0.05)
    assert 0.05 < np.log(loud).std() < 0.12  # gains wander by 8 %


def test_the_same_seed_is_the_same_machine() -> None:
    np.testing.assert_array_equal(snapshots(2, 2), snapshots(2, 3)[:2])
    assert not np.array_equal(snapshots(2, 1), snapshots(3, 1))


def test_damage_is_added_to_the_healthy_snapshot_of_the_same_draw() -> None:
    healthy = snapshot(rng(4)).astype(float)
    added = snapshot(rng(4), Damage.at(2, -6)) - healthy
    rms = added.std(axis=0)
    assert rms[2] == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    np.testing.assert_allclose(rms / rms[2], [0.1, 0.25, 1.0, 0.25], rtol=1e-3)
    np.testing.assert_allclose(np.corrcoef(added.T), 1.0, atol=1e-3)


def test_the_shaft_turns_a_little_over_33_times_a_second() -> None:
    block = snapshot(rng(5), samples=int(RATE))
    power = np.abs(np.fft.rfft(block[:, 0])) ** 2
    assert abs(int(power[20:50].argmax()) + 20 - 33.3) < 1.5


def test_strikes_are_lines_of_the_envelope_at_236_hertz_and_its_multiples() -> None:
    block = snapshot(rng(6), Damage.at(1, 0))[np.newaxis]
    lines = spectra(block, rate=RATE, band=(2000, 9500), segment=2048, step=1024)[0, 1024:1324, 1]
    usual = np.median(lines)
    for multiple in (1, 2, 3):
        at = round(multiple * 236 / RATE * 2048) - 1
        assert lines[at - 2 : at + 3].max() > usual + 2


@pytest.mark.parametrize(("bearing", "rms"), [(-1, 0.1), (4, 0.1), (0, -0.1), (0, float("nan"))])
def test_refuses_damage_that_cannot_be(bearing: int, rms: float) -> None:
    with pytest.raises(ValueError, match="no such damage"):
        Damage(bearing, rms)


def test_a_snapshot_has_eight_windows_that_overlap_by_half() -> None:
    assert snapshot(rng(7)).shape == (SNAPSHOT, BEARINGS) == (2048 + 7 * 1024, 4)
