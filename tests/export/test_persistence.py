import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_export.persistence import Hysteresis


def alarms(rule: Hysteresis, *ratio: float) -> list[int]:
    return [int(standing) for standing in rule.alarms(np.array(ratio))]


RULE = Hysteresis(above=1.0, windows=3, below=0.8, quiet=2)


def test_raises_at_the_last_of_so_many_windows_above() -> None:
    assert alarms(RULE, 2, 2, 2, 2) == [0, 0, 1, 1]


def test_one_window_at_the_threshold_starts_the_count_again() -> None:
    assert alarms(RULE, 2, 2, 1.0, 2, 2, 2) == [0, 0, 0, 0, 0, 1]


def test_clears_at_the_last_of_so_many_windows_below_the_lower_ratio() -> None:
    assert alarms(RULE, 2, 2, 2, 0.9, 0.9, 0.5, 0.5, 0.5) == [0, 0, 1, 1, 1, 1, 0, 0]


def test_one_window_at_the_lower_ratio_holds_the_alarm() -> None:
    assert alarms(RULE, 2, 2, 2, 0.5, 0.8, 0.5, 0.5) == [0, 0, 1, 1, 1, 1, 0]


@given(st.lists(st.floats(0, 3), max_size=40))
def test_with_one_window_and_one_level_it_is_the_plain_threshold(ratio: list[float]) -> None:
    rule = Hysteresis(above=1.0, windows=1, below=1.0, quiet=1)
    standing = alarms(rule, *ratio)
    for before, value, now in zip([0, *standing], ratio, standing, strict=False):
        assert now == (value > 1.0 if not before else value >= 1.0)


@given(st.lists(st.floats(0, 3), max_size=40), st.integers(1, 4))
def test_more_windows_never_alarm_earlier(ratio: list[float], windows: int) -> None:
    fewer = alarms(Hysteresis(windows=windows), *ratio)
    more = alarms(Hysteresis(windows=windows + 1), *ratio)
    assert 1 not in more or fewer.index(1) < more.index(1)


@pytest.mark.parametrize("bad", [{"below": 1.2}, {"below": 0}, {"windows": 0}, {"quiet": 0}])
def test_refuses_a_rule_that_makes_no_sense(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"below|at least"):
        Hysteresis(**bad)  # type: ignore[arg-type]  # only one of the fields is a float
