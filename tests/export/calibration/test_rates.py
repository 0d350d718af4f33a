import numpy as np
import pytest
from scipy import stats

from edge_export.calibration.rates import rate


def test_no_alarm_in_so_many_days_still_allows_a_rate() -> None:
    """The rule of three, for 97.5 %: 3.69 alarms could have come and did not."""
    found = rate(0, 10)
    assert (found.a_day, found.low) == (0, 0)
    assert found.high == pytest.approx(-np.log(0.025) / 10)


@pytest.mark.parametrize("alarms", [1, 3, 20])
def test_the_interval_ends_where_the_count_becomes_unlikely(alarms: int) -> None:
    found = rate(alarms, 7)
    assert stats.poisson.sf(alarms - 1, found.low * 7) == pytest.approx(0.025)
    assert stats.poisson.cdf(alarms, found.high * 7) == pytest.approx(0.025)


def test_it_says_what_it_counted() -> None:
    text = "0.30 false alarms a day (95 % interval 0.06 to 0.88; 3 in 10.0 days)"
    assert str(rate(3, 10)) == text


@pytest.mark.parametrize(("alarms", "days"), [(-1, 1), (0, 0), (0, float("nan"))])
def test_refuses_what_cannot_be_counted(alarms: int, days: float) -> None:
    with pytest.raises(ValueError, match="alarms >= 0 in days > 0"):
        rate(alarms, days)
