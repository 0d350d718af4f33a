from dataclasses import replace

import numpy as np
import pytest
from years import year

from edge_anomaly.errors import RecordingError
from edge_export.data.periods import changed, rhythm
from edge_export.data.recordings import Recording, cut
from edge_export.grounds.power import DAY, PERIOD_NS

YEAR = year()
WEEKS = cut(YEAR, 0, int(YEAR.t_ns[52 * 7 * DAY]))


def test_a_works_has_a_day_and_a_week() -> None:
    found = rhythm([WEEKS], PERIOD_NS)
    assert {round(period) for period in found.periods} >= {DAY, 7 * DAY}
    assert found.longest(DAY) == DAY
    assert found.longest(3) is None


def test_the_published_way_finds_harmonics() -> None:
    found = rhythm([YEAR], PERIOD_NS, differenced=True)
    assert found.differenced
    assert max(found.periods) < DAY


def test_readings_that_are_missing_are_held() -> None:
    values = YEAR.values.copy()
    values[::7] = np.nan
    values[:50] = np.nan
    gaps = replace(YEAR, values=values)
    kept = np.arange(YEAR.t_ns.size) % 5 != 3
    fewer = Recording(YEAR.device, YEAR.t_ns[kept], YEAR.signals, YEAR.values[kept])
    for recording in (gaps, fewer):
        assert round(rhythm([recording], PERIOD_NS).periods[0]) == DAY


def test_what_is_held_out_has_no_say() -> None:
    half = YEAR.t_ns.size // 2
    values = YEAR.values.copy()
    values[half:, 0] += 1000 * np.sin(np.arange(half) / 3)
    changed_later = replace(YEAR, values=values)
    assert rhythm([changed_later], PERIOD_NS, share=0.5).periods == (
        rhythm([YEAR], PERIOD_NS, share=0.5).periods
    )


def test_a_signal_that_never_spoke_has_no_rhythm() -> None:
    silent = replace(YEAR, values=np.full_like(YEAR.values, np.nan))
    assert rhythm([silent], PERIOD_NS).periods == ()


def test_too_little_time_is_refused() -> None:
    with pytest.raises(RecordingError, match="too little time"):
        rhythm([cut(YEAR, 0, int(YEAR.t_ns[2]))], PERIOD_NS)


def test_a_period_that_moved_is_told() -> None:
    assert changed([96, 672], [95, 24, 700]) == []
    assert changed([96, 672], [84, 24]) == [96, 672]
