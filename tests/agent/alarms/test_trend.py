import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_anomaly.alarms.trend import BINS, FEWEST, Estimate, TrendLine, theil_sen
from edge_anomaly.errors import StateError

MINUTE = 60 * 10**9
SPAN = 12 * 60 * MINUTE


def naive(x: list[float], y: list[float]) -> float:
    slopes = [(y[j] - y[i]) / (x[j] - x[i]) for i in range(len(x)) for j in range(i + 1, len(x))]
    return float(np.median(slopes))


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30))
def test_the_slope_is_the_median_of_the_slopes_of_all_pairs(y: list[float]) -> None:
    x = [float(i) for i in range(len(y))]
    line = theil_sen(x, y)
    assert line.slope == pytest.approx(naive(x, y))
    assert line.low <= line.slope <= line.high


def test_a_quarter_of_wild_bins_does_not_move_it() -> None:
    rng = np.random.default_rng(1)
    x = np.arange(48.0)
    y = 0.05 * x + 0.01 * rng.normal(size=48)
    y[rng.choice(48, 12, replace=False)] += 20.0
    line = theil_sen(x.tolist(), y.tolist())
    assert line.slope == pytest.approx(0.05, rel=0.25)


def lines(ratio: "list[float]", each_ns: int = 5 * MINUTE) -> list[Estimate]:
    line = TrendLine(SPAN)
    found = [line.add(i * each_ns, value) for i, value in enumerate(ratio)]
    return [one for one in found if one is not None]


def test_wear_is_foretold_with_an_interval_that_holds_the_truth() -> None:
    rng = np.random.default_rng(2)
    hours = np.arange(0, 24, 5 / 60)
    truth = 12 * math.log2(5) - hours[-1]
    held = 0
    for _ in range(20):
        # A fifth of the threshold, doubling every 12 hours: it is met after 27.9 hours.
        ratio = 0.2 * 2 ** (hours / 12) * np.exp(0.2 * rng.normal(size=hours.size))
        last = lines(ratio.tolist())[-1]
        assert last.slope == pytest.approx(math.log(2) / 12, rel=0.3)
        assert last.to_threshold_h == pytest.approx(truth, rel=0.6)
        assert last.earliest_h is not None
        held += last.earliest_h < truth < (last.latest_h or math.inf)
    assert held >= 19


def test_what_stands_still_or_is_past_the_threshold_meets_it_never() -> None:
    flat = lines([0.5] * 400)[-1]
    assert flat.slope == 0
    assert (flat.to_threshold_h, flat.earliest_h, flat.latest_h) == (None, None, None)
    beyond = lines([2.0 * 1.01**i for i in range(400)])[-1]
    assert beyond.slope > 0
    assert beyond.to_threshold_h is None


def test_few_bins_tell_nothing_and_those_behind_a_gap_do_not_count() -> None:
    line = TrendLine(SPAN)
    width = SPAN // BINS
    told = [line.add(i * width, 0.5) for i in range(FEWEST)]
    assert told == [None] * FEWEST
    assert line.add(FEWEST * width, 0.5) is not None
    assert line.add(9 * SPAN, 0.5) is not None  # completes a bin from before the gap
    assert line.add(9 * SPAN + width, 0.5) is None


def test_noise_that_wanders_is_seldom_a_trend() -> None:
    """The stated rate, with neighbouring windows as alike as smoothed scores are."""
    rng = np.random.default_rng(3)
    told = runs = 0
    for _ in range(60):
        noise = rng.normal(size=1200)
        for i in range(1, noise.size):  # time constant of an hour
            noise[i] = 0.92 * noise[i - 1] + 0.39 * noise[i]
        for estimate in lines((0.5 * np.exp(0.2 * noise)).tolist()):
            hours = estimate.to_threshold_h
            runs += 1
            told += hours is not None and hours < 24 and estimate.growth > math.log(1.3)
    assert runs > 10_000
    assert told / runs < 0.002


def test_a_restart_changes_nothing() -> None:
    ratio = [0.1 * 1.01**i for i in range(300)]
    whole, before, after = TrendLine(SPAN), TrendLine(SPAN), TrendLine(SPAN)
    want = [whole.add(i * 5 * MINUTE, value) for i, value in enumerate(ratio)]
    got = [before.add(i * 5 * MINUTE, value) for i, value in enumerate(ratio[:170])]
    after.restore(before.snapshot())
    got += [after.add(i * 5 * MINUTE, value) for i, value in enumerate(ratio[170:], 170)]
    assert got == want
    other = TrendLine(SPAN // 2)
    other.restore(before.snapshot())  # of another span: begun anew
    assert other.snapshot()["bins"] == []
    with pytest.raises(StateError, match="trend"):
        after.restore({"bins": 7})
