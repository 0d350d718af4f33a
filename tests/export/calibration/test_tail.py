import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edge_export.calibration.tail import fit_pareto, tail_level


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.6])
def test_the_fit_is_at_least_as_likely_as_scipys(shape: float) -> None:
    y = stats.genpareto.rvs(shape, scale=2.0, size=400, random_state=1)
    found = fit_pareto(y)
    theirs = stats.genpareto.fit(y, floc=0)
    likelihood = stats.genpareto.logpdf(y, found.shape, scale=found.scale).sum()
    assert likelihood >= stats.genpareto.logpdf(y, *theirs).sum() - 1e-3
    assert found.shape == pytest.approx(shape, abs=0.15)
    assert found.scale == pytest.approx(2.0, rel=0.2)


@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_the_scale_of_the_scores_is_that_of_the_level(seed: int, factor: float) -> None:
    score = np.random.default_rng(seed).exponential(size=2_000)
    assert tail_level(factor * score, 1e-3) == pytest.approx(
        factor * tail_level(score, 1e-3), rel=1e-4
    )


def test_a_risk_beyond_what_was_seen_is_met_on_average() -> None:
    rng = np.random.default_rng(2)
    levels = [tail_level(rng.standard_t(4, 5_000), 1e-4) for _ in range(30)]
    assert np.median(levels) == pytest.approx(stats.t.isf(1e-4, 4), rel=0.15)


def test_an_exponential_tail_has_the_excess_of_a_logarithm() -> None:
    y = stats.expon.ppf((np.arange(1000) + 0.5) / 1000)
    assert fit_pareto(y).excess(1e-3) == pytest.approx(np.log(1000), rel=0.02)


def test_refuses_what_has_no_tail() -> None:
    with pytest.raises(ValueError, match="2 scores in the tail"):
        tail_level(np.arange(100.0), 1e-3)
    with pytest.raises(ValueError, match=r"between 0 and 0\.02, got 0\.5"):
        tail_level(np.arange(5_000.0), 0.5)
    for bad in ([], [1.0], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(ValueError, match="at least two excesses"):
            fit_pareto(np.array(bad))
