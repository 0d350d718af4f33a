import numpy as np
import pytest

from edge_export.calibration.rhythm_fits import SPREAD_FLOOR, kinds_of_days, places_of, week

PLACES = 168
RNG = np.random.default_rng(0)


def hours(weeks: int) -> np.ndarray:
    return np.arange(weeks * PLACES) % PLACES


def load(place: np.ndarray) -> np.ndarray:
    """Twice as much by day, nothing at weekends, a little noise."""
    by_day = np.where((place % 24 >= 8) & (place % 24 < 18) & (place < 120), 100.0, 50.0)
    return (by_day + RNG.normal(0, 1, place.size))[:, np.newaxis]


def test_the_week_is_what_is_usual_at_each_hour() -> None:
    place = hours(20)
    median, spread = week(load(place), place, PLACES)
    assert median.shape == spread.shape == (PLACES, 1)
    np.testing.assert_allclose(median[[12, 36, 3]].ravel(), [100, 100, 50], atol=1.5)
    np.testing.assert_allclose(median[120 + 12], 50, atol=1.5)  # Saturday


def test_one_odd_day_does_not_move_it() -> None:
    place = hours(20)
    values = load(place)
    odd = values.copy()
    odd[5 * PLACES : 5 * PLACES + 24] = 1000
    for before, after in zip(week(values, place, PLACES), week(odd, place, PLACES), strict=True):
        np.testing.assert_allclose(before, after, rtol=0.1)


def test_a_quiet_hour_is_given_a_spread() -> None:
    place = hours(20)
    values = np.where(place < 84, 10.0, 20.0)[:, np.newaxis]
    _, spread = week(values, place, PLACES)
    np.testing.assert_allclose(spread.min(), SPREAD_FLOOR * 10)


def test_with_too_few_weeks_all_days_count_as_one() -> None:
    place = hours(20)[: 6 * 24]
    median, _ = week(load(place), place, PLACES)
    np.testing.assert_array_equal(median[:24], median[24:48])
    assert median[12] > median[3] + 20


def test_with_too_few_days_all_hours_count_as_one() -> None:
    place = hours(1)[:20]
    median, spread = week(load(place), place, PLACES)
    assert np.unique(median).size == np.unique(spread).size == 1


def test_a_signal_that_stands_still_has_a_spread() -> None:
    place = hours(20)
    _, spread = week(np.full((place.size, 1), 3.0), place, PLACES)
    assert (spread > 0).all()


@pytest.mark.parametrize(
    ("seconds", "places"), [(900, 672), (3600, 168), (300, 2016), (60, 672), (7, 672), (700, 864)]
)
def test_a_place_is_a_slot_or_a_quarter_of_an_hour(seconds: int, places: int) -> None:
    assert places_of(seconds * 10**9) == places


def test_working_days_and_weekends_are_two_kinds_of_days() -> None:
    place = hours(10)
    local_ns = np.arange(place.size) * 3600 * 10**9 + 4 * 86_400 * 10**9  # from a Monday on
    days, share = kinds_of_days(load(place), local_ns)
    assert days.shape == (2, 24, 1)
    np.testing.assert_allclose(share, [5 / 7, 2 / 7])
    assert days[0, 12, 0] > 90
    assert days[1, 12, 0] < 60


def test_days_that_are_all_alike_or_too_few_are_of_one_kind() -> None:
    place = hours(4)
    local_ns = np.arange(place.size) * 3600 * 10**9
    for n in (24, place.size):
        days, share = kinds_of_days(np.ones((n, 1)), local_ns[:n])
        assert len(days) == 1
        assert share.tolist() == [1]


def test_without_a_whole_day_there_is_no_kind() -> None:
    days, share = kinds_of_days(np.ones((5, 2)), np.arange(5) * 3600 * 10**9)
    assert days.shape == (0, 24, 2)
    assert share.size == 0
