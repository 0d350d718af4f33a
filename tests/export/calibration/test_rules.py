import numpy as np
import pytest

from edge_anomaly.files.bundle import Threshold
from edge_export.calibration.rules import BUDGET, DRIFT, HOUR_OF_WEEK, TAIL, Rule, episodes

HOUR = 3600 * 10**9
SCORES = np.random.default_rng(0).exponential(size=20_000).astype(np.float32)


def test_a_tail_says_what_is_exceeded_once_in_so_often() -> None:
    for risk in (1e-3, 1e-4):
        want = -np.log(risk)  # of the exponential distribution
        assert Rule(TAIL, risk).threshold(SCORES) == pytest.approx(want, rel=0.15)


def test_a_heavy_tail_is_told_from_a_light_one() -> None:
    rng = np.random.default_rng(1)
    heavy, bounded = rng.pareto(3, 20_000), rng.uniform(size=20_000)
    assert Rule(TAIL, 1e-4).threshold(heavy.astype(np.float32)) == pytest.approx(20.5, rel=0.3)
    assert 0.99 < Rule(TAIL, 1e-5).threshold(bounded.astype(np.float32)) < 1.01


def test_scores_that_are_all_alike_have_no_tail() -> None:
    assert Rule(TAIL, 1e-3).threshold(np.ones(100, np.float32)) == 1


@pytest.mark.parametrize("budget", [0.1, 1.0])
def test_a_budget_is_kept_and_not_wasted(budget: float) -> None:
    days = SCORES.size / 24
    threshold = Rule(BUDGET, budget).threshold(SCORES, HOUR)
    assert episodes(threshold < SCORES) <= budget * days
    lower = np.quantile(SCORES, (threshold > SCORES).mean() - 0.01)
    assert episodes(lower < SCORES) > budget * days


def test_a_budget_of_nothing_leaves_nothing_above() -> None:
    threshold = Rule(BUDGET, 1e-9).threshold(SCORES, HOUR)
    assert not (threshold < SCORES).any()


def test_alarms_close_to_each_other_are_one() -> None:
    flags = np.zeros(30, np.bool_)
    flags[[1, 2, 6, 20]] = True
    assert episodes(flags) == 2
    assert episodes(flags, gap=1) == 3
    assert episodes(flags[3:5]) == 0


def test_an_hour_has_its_own_threshold_where_enough_was_seen() -> None:
    hour = np.arange(SCORES.size) % 168
    scores = np.where(hour == 50, 10 * SCORES, SCORES)
    table = Rule(HOUR_OF_WEEK, 0.99).by_hour(scores, hour, usual=4.0)
    assert table[50] > 4 * table[100]
    assert table[49] > table[100]  # what lies beside it may come early or late
    few = Rule(HOUR_OF_WEEK, 0.99).by_hour(scores[:168], hour[:168], usual=4.0)
    assert (few == 4).all()
    quiet = Rule(HOUR_OF_WEEK, 0.99).by_hour(scores * 0, hour, usual=4.0)
    assert (quiet == 2).all()


@pytest.mark.parametrize(
    "rule",
    [Rule(), Rule("mean-std", 2.0), Rule(DRIFT, 0.99, factor=2.0, minutes=60.0), Rule(BUDGET, 0.1)],
)
def test_a_rule_is_read_back_from_what_the_manifest_says(rule: Rule) -> None:
    said = rule.said(77)
    assert isinstance(said, Threshold)
    assert said.windows == 77
    assert Rule.of(said) == rule


@pytest.mark.parametrize(
    ("name", "parameter", "complaint"),
    [
        ("best-f1", 0.5, "no threshold rule 'best-f1'; there are quantile, mean-std, budget"),
        (DRIFT, 1.5, "a quantile lies between 0 and 1"),
        (TAIL, 0.0, "a risk lies between 0 and 1"),
        (BUDGET, 0.0, "a budget is alarms a day, above 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(name: str, parameter: float, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rule(name, parameter)
    with pytest.raises(ValueError, match="factor and minutes must be above 0"):
        Rule(DRIFT, 0.9, factor=0)
