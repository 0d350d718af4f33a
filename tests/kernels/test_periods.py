import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_kernels import dominant_periods, spectrum

WEEKS, DAY = 8, 96
T = np.arange(WEEKS * 7 * DAY)


def day_and_week() -> np.ndarray:
    """A week beside a day with a sharp start, whose harmonics are fast."""
    day = np.where(T % DAY < DAY // 3, 1.0, 0.0)
    return day + 0.4 * np.cos(2 * np.pi * T / (7 * DAY)) + 0.2 * np.sin(2 * np.pi * T / 8)


@given(st.integers(3, 60), st.integers(0, 2**32))
def test_is_the_definition(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=n) + 5
    found = spectrum(x, differenced=True)
    steps = np.diff(x)
    np.testing.assert_allclose(found.power, naive.spectrum(steps - steps.mean()), atol=1e-12)
    np.testing.assert_allclose(found.period, (n - 1) / np.arange(1, (n - 1) // 2 + 1))


def test_finds_day_and_week_under_a_steep_trend() -> None:
    found = dominant_periods(spectrum(day_and_week() + 0.01 * T), 2)
    assert found == [pytest.approx(DAY), pytest.approx(7 * DAY)]


def test_differencing_finds_harmonics_instead() -> None:
    found = dominant_periods(spectrum(day_and_week(), differenced=True), 1)
    assert found == [pytest.approx(8, rel=0.01)]


def test_periods_closer_than_the_separation_count_as_one() -> None:
    x = np.sin(2 * np.pi * T / 96) + 0.9 * np.sin(2 * np.pi * T / 84)
    assert dominant_periods(spectrum(x), 2, separation=0.1) == [96, 84]
    assert 84 not in dominant_periods(spectrum(x), 2, separation=0.25)


@pytest.mark.parametrize("level", [0.0, 1e8])
def test_a_straight_line_has_no_period(level: float) -> None:
    assert not dominant_periods(spectrum(level + 3.0 * np.arange(500)), 3)
    assert not spectrum(np.full(500, level)).power.any()


def test_a_period_must_fit_four_times() -> None:
    assert not dominant_periods(spectrum(np.sin(2 * np.pi * T / (T.size / 3))[::50]), 1)[1:]
    found = dominant_periods(spectrum(day_and_week()[: 7 * DAY]), 3)
    assert max(found) <= 7 * DAY / 4


@pytest.mark.parametrize("series", [np.zeros((2, 5)), np.zeros(2), [1.0, np.nan, 2.0]])
def test_what_is_no_series_is_refused(series: object) -> None:
    with pytest.raises(ValueError, match="series"):
        spectrum(np.asarray(series))


@pytest.mark.parametrize(("count", "separation"), [(0, 0.2), (1, 1.0), (1, -0.1)])
def test_wishes_out_of_range_are_refused(count: int, separation: float) -> None:
    with pytest.raises(ValueError, match="count"):
        dominant_periods(spectrum(day_and_week()), count, separation=separation)
