from typing import Any

import numpy as np
import pytest

from edge_anomaly.alarms.rhythm import PERIODS, Beat, Rhythm, periods_of, strongest_period
from edge_anomaly.errors import StateError

MINUTE = 60 * 10**9
SLOT = 15 * MINUTE
DAY = 96  # slots


def wave(period: float, slots: int, seed: int = 0) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(seed)
    series: np.ndarray[Any, Any] = np.sin(2 * np.pi * np.arange(slots) / period)
    return 5 + series + 0.4 * rng.normal(size=slots)


def listen(rhythm: Rhythm, series: np.ndarray[Any, Any], start: int = 0) -> list[Beat]:
    found = [
        rhythm.add((start + slot) * SLOT, np.array([0.0, value], np.float32))
        for slot, value in enumerate(series)
    ]
    return [beat for beat in found if beat is not None]


def daily() -> Rhythm:
    return Rhythm(np.array([0.0, DAY]), SLOT)


@pytest.mark.parametrize("period", [24.0, 96.0, 61.3])
def test_the_strongest_period_is_found_in_noise(period: float) -> None:
    assert strongest_period(wave(period, 800)) == pytest.approx(period, rel=0.08)


def test_noise_a_trend_and_a_flat_line_have_none() -> None:
    rng = np.random.default_rng(1)
    assert strongest_period(rng.normal(size=600)) == 0
    assert strongest_period(np.linspace(0, 5, 600)) == 0
    assert strongest_period(np.full(600, 3.0)) == 0
    assert strongest_period(wave(24, 30)) == 0  # too short to tell


def test_a_rhythm_that_is_kept_is_not_told_and_another_is() -> None:
    kept = listen(daily(), wave(DAY, DAY * 10))
    assert len(kept) >= 4  # once a day, when there is enough
    assert all(beat.ratio < 0.6 for beat in kept)
    changed = listen(daily(), wave(DAY / 3, DAY * 10))
    assert all(beat.ratio > 1 for beat in changed)
    assert changed[-1].signal == 1
    assert changed[-1].before_ns == DAY * SLOT
    assert changed[-1].now_ns == pytest.approx(DAY / 3 * SLOT, rel=0.1)


def test_a_gap_begins_anew() -> None:
    rhythm = daily()
    assert listen(rhythm, wave(DAY, DAY * 5)) == []
    assert listen(rhythm, wave(DAY, DAY * 5), start=DAY * 50) == []


def test_a_restart_changes_nothing() -> None:
    series = wave(DAY / 2, DAY * 9)
    whole, before, after = daily(), daily(), daily()
    want = listen(whole, series)
    got = listen(before, series[:500])
    after.restore(before.snapshot())
    assert got + listen(after, series[500:], start=500) == want
    for state in ({}, {"samples": np.zeros((3, 7)), "last": 1, "since": 0}):
        with pytest.raises(StateError, match="rhythm"):
            after.restore(state)


def test_a_rhythm_that_has_heard_nothing_yet_is_kept_as_well() -> None:
    after = daily()
    after.restore(daily().snapshot())
    assert after.snapshot()["samples"].shape == (0, 1)
    assert listen(after, wave(DAY, 10 * DAY)) == listen(daily(), wave(DAY, 10 * DAY))


def test_a_bundle_that_says_nothing_is_not_watched() -> None:
    assert periods_of({}, 0) is None
    assert periods_of({PERIODS: np.zeros((1, 3))}, 0) is None
    assert periods_of({PERIODS: np.array([[0.0, 96.0]])}, 0) is not None


def test_very_long_periods_are_looked_at_coarsely() -> None:
    rhythm = Rhythm(np.array([0.0, 1e6]), SLOT)
    for slot in range(3000):
        rhythm.add(slot * SLOT, np.zeros(2, np.float32))
    assert len(rhythm.snapshot()["samples"]) < 100


def test_what_is_shorter_than_a_few_windows_is_not_listened_to() -> None:
    deaf = Rhythm(np.array([30.0, 0.0]), SLOT, hop=64)
    assert listen(deaf, wave(30, 2_000)) == []
    coarse = Rhythm(np.array([0.0, 96.0]), SLOT, hop=4)
    series = wave(96, 96 * 10)
    heard = [
        coarse.add(slot * SLOT, np.array([0.0, series[slot]], np.float32))
        for slot in range(0, series.size, 4)
    ]
    beats = [beat for beat in heard if beat is not None]
    assert beats
    assert all(beat.ratio < 0.6 for beat in beats)
