"""Spectra against their definition (scipy's Welch and Hilbert), properties, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from edge_kernels import spectra

RATE = 20_000.0
BAND = (2000.0, 9500.0)
FLOOR = np.log(1e-20)


def noise(seed: int, *shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def usual(block: NDArray[np.float32]) -> NDArray[np.float32]:
    return spectra(block, rate=RATE, band=BAND, segment=2048, step=1024)


def by_definition(
    x: NDArray[np.float32], rate: float, band: tuple[float, float], segment: int, step: int
) -> NDArray[np.float64]:
    """One channel, (W,) -> (segment,), from scipy's parts."""

    def density(y: NDArray[np.float64]) -> NDArray[np.float64]:
        _, power = signal.welch(
            y, rate, "hann", segment, segment - step, detrend="constant", scaling="density"
        )
        logs: NDArray[np.float64] = np.log(np.maximum(power[1:], 1e-20))
        return logs

    y = x.astype(np.float64) - x.mean(dtype=np.float64)
    lines = np.fft.rfft(y)
    at = np.fft.rfftfreq(y.size, 1 / rate)
    lines *= np.sin(np.pi * np.clip((at - band[0]) / (band[1] - band[0]), 0, 1))
    envelope = np.abs(signal.hilbert(np.fft.irfft(lines, y.size)))
    return np.concatenate([density(x.astype(np.float64)), density(envelope / envelope.mean())])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    half=st.integers(2, 40),
    more=st.integers(0, 100),
    step=st.integers(1, 50),
    rate=st.sampled_from([1.0, 12_000.0, 25_600.0]),
    channels=st.integers(1, 3),
)
def test_agrees_with_the_definition(
    seed: int, half: int, more: int, step: int, rate: float, channels: int
) -> None:
    segment, band = 2 * half, (0.1 * rate, 0.4 * rate)
    step = min(step, segment)  # scipy knows no gaps between windows
    block = noise(seed, 2, segment + more, channels)
    found = spectra(block, rate=rate, band=band, segment=segment, step=step)
    assert found.dtype == np.float32
    assert found.shape == (2, segment, channels)
    for b in range(2):
        for c in range(channels):
            want = by_definition(block[b, :, c], rate, band, segment, step)
            # exp: where a line is all but nothing its logarithm is rounding
            np.testing.assert_allclose(np.exp(found[b, :, c]), np.exp(want), rtol=1e-4, atol=1e-12)


def test_of_a_whole_snapshot_agrees_with_the_definition() -> None:
    block = noise(1, 1, 9216, 4)
    want = by_definition(block[0, :, 2], RATE, BAND, 2048, 1024)
    np.testing.assert_allclose(usual(block)[0, :, 2], want, rtol=1e-5, atol=1e-5)


def test_a_tone_is_a_line_at_its_place() -> None:
    t = np.arange(9216) / RATE
    hertz = 1000 * RATE / 2048
    block = np.cos(2 * np.pi * hertz * t).astype(np.float32)[None, :, None]
    assert usual(block)[0, :1024, 0].argmax() == 1000 - 1


def test_a_rhythm_of_strikes_is_a_line_of_the_envelope_and_hardly_of_the_power() -> None:
    t = np.arange(9216) / RATE
    beat = 24 * RATE / 2048  # 234 Hz
    struck = (1 + 0.5 * np.cos(2 * np.pi * beat * t)) * np.cos(2 * np.pi * 4500 * t)
    block = (struck + 0.01 * noise(2, 9216)).astype(np.float32)[None, :, None]
    lines = usual(block)[0, :, 0]
    assert lines[1024:1324].argmax() == 24 - 1
    assert lines[:300].argmax() != 24 - 1


def test_loudness_moves_the_power_and_not_the_envelope() -> None:
    block = noise(3, 1, 9216, 1)
    quiet, loud = usual(block)[0, :, 0], usual(4 * block)[0, :, 0]
    np.testing.assert_allclose(loud[:1024] - quiet[:1024], 2 * np.log(4), atol=1e-4)
    np.testing.assert_allclose(loud[1024:], quiet[1024:], atol=1e-4)


def test_survives_a_level_that_dwarfs_the_noise() -> None:
    block = noise(4, 1, 9216, 1)
    np.testing.assert_allclose(usual(block + 1000), usual(block), atol=0.05)  # float32 rounding


def test_channels_and_blocks_do_not_disturb_each_other() -> None:
    block = noise(5, 3, 9216, 4)
    together = usual(block)
    for b in range(3):
        for c in range(4):
            alone = usual(block[b : b + 1, :, c : c + 1])
            np.testing.assert_array_equal(alone[0, :, 0], together[b, :, c])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_takes_its_own_channel_with_it(bad: float) -> None:
    block = noise(6, 2, 9216, 3)
    clean = usual(block)
    block[1, 700, 1] = bad
    found = usual(block)
    assert np.isnan(found[1, :, 1]).all()
    found[1, :, 1] = clean[1, :, 1]
    np.testing.assert_array_equal(found, clean)


@pytest.mark.parametrize("level", [0.0, 1.0, 12345.678])
def test_a_channel_that_stands_still_lies_at_the_floor(level: float) -> None:
    found = usual(np.full((1, 9216, 1), level, np.float32))
    np.testing.assert_allclose(found, FLOOR, rtol=1e-6)


def test_what_no_segment_covers_is_left_out_of_the_power() -> None:
    block = noise(7, 1, 9216 + 1000, 1)
    np.testing.assert_array_equal(usual(block)[0, :1024], usual(block[:, :9216])[0, :1024])


def test_an_empty_batch_gives_an_empty_one() -> None:
    assert usual(noise(8, 0, 9216, 4)).shape == (0, 2048, 4)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((9216, 4), {}, "must be"),
        ((1, 2047, 4), {}, "holds no segment"),
        ((1, 9216, 4), {"segment": 2047}, "even"),
        ((1, 9216, 4), {"segment": 0}, "even"),
        ((1, 9216, 4), {"step": 0}, "step"),
        ((1, 9216, 4), {"rate": 0.0}, "no band"),
        ((1, 9216, 4), {"rate": float("nan")}, "no band"),
        ((1, 9216, 4), {"band": (3000.0, 2000.0)}, "no band"),
        ((1, 9216, 4), {"band": (-1.0, 2000.0)}, "no band"),
        ((1, 9216, 4), {"band": (10_000.0, 12_000.0)}, "no band"),
    ],
)
def test_refuses_what_has_no_spectrum(
    shape: tuple[int, ...], changes: dict[str, object], message: str
) -> None:
    given_: dict[str, object] = {"rate": RATE, "band": BAND, "segment": 2048, "step": 1024}
    with pytest.raises(ValueError, match=message):
        spectra(np.zeros(shape, np.float32), **(given_ | changes))  # type: ignore[arg-type] # on purpose
