import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from edge_export.evaluation.metrics import (
    at_threshold,
    average_precision,
    best_f1,
    episodes,
    point_adjusted_f1,
    spans,
)

Flags = NDArray[np.bool_]
# Origin and command: golden/make_metrics.py.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "metrics.json").read_text("utf-8"))["cases"]
Measure = Callable[[Flags, NDArray[np.float64]], float]


def flags(n: int, *runs: tuple[int, int]) -> Flags:
    out = np.zeros(n, np.bool_)
    for start, stop in runs:
        out[start:stop] = True
    return out


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Flags, NDArray[np.float64]]:
    n = draw(st.integers(2, 60))
    label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    label[0], label[-1] = True, False
    score = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    return label, np.array(score, np.float64)


def test_spans_are_half_open_runs() -> None:
    assert spans(flags(6, (0, 2), (5, 6))).tolist() == [[0, 2], [5, 6]]
    assert spans(flags(3)).shape == (0, 2)


def test_episodes_merge_over_a_short_gap_only() -> None:
    alarm = flags(40, (3, 5), (14, 15), (25, 26))  # 9, then 10 quiet samples between
    assert episodes(alarm, gap=10).tolist() == [[3, 15], [25, 26]]
    assert episodes(alarm, gap=1).tolist() == [[3, 5], [14, 15], [25, 26]]
    assert episodes(flags(4), gap=10).shape == (0, 2)


def test_average_precision_by_hand() -> None:
    # Ranks 1 and 3 are labelled: 1/2 * 1/1 + 1/2 * 2/3.
    label = np.array([True, False, True, False])
    assert average_precision(label, np.array([9.0, 8.0, 7.0, 6.0])) == pytest.approx(5 / 6)


def test_best_f1_by_hand() -> None:
    # Above 7 both labelled and one other: precision 2/3, recall 1.
    label = np.array([True, False, True, False])
    assert best_f1(label, np.array([9.0, 8.0, 7.0, 6.0])) == pytest.approx(0.8)


def test_point_adjusting_turns_one_hit_into_a_whole_event() -> None:
    label = flags(100, (10, 60))
    score = flags(100, (59, 60)).astype(np.float64)
    assert point_adjusted_f1(label, score) == 1.0
    assert best_f1(label, score) == pytest.approx(2 * 0.5 / 1.5)  # alarm on everything


def test_a_random_score_gets_the_share_of_labels_and_a_flattering_legacy_figure() -> None:
    label = flags(20_000, (1_000, 1_600), (9_000, 9_400))
    runs = [np.random.default_rng(seed).random(label.size) for seed in range(10)]
    assert np.mean([average_precision(label, r) for r in runs]) == pytest.approx(0.05, abs=0.003)
    assert np.mean([best_f1(label, r) for r in runs]) < 0.11
    assert np.mean([point_adjusted_f1(label, r) for r in runs]) > 0.8


def test_always_alarm_gets_the_share_of_labels() -> None:
    label = flags(1_000, (100, 200), (500, 520))
    always = np.ones(1_000)
    assert average_precision(label, always) == pytest.approx(0.12)
    assert best_f1(label, always) == pytest.approx(2 * 0.12 / 1.12)


def f1(label: Flags, alarm: Flags) -> float:
    hits = np.count_nonzero(label & alarm)
    return 2 * hits / (np.count_nonzero(label) + np.count_nonzero(alarm))


@given(labelled())
def test_best_f1_is_the_best_over_every_threshold(
    case: tuple[Flags, NDArray[np.float64]],
) -> None:
    label, score = case
    want = max(f1(label, score >= threshold) for threshold in score)
    assert best_f1(label, score) == pytest.approx(want)


@given(labelled())
def test_point_adjusted_f1_is_the_best_over_every_threshold(
    case: tuple[Flags, NDArray[np.float64]],
) -> None:
    label, score = case
    every = []
    for threshold in score:
        alarm = score >= threshold
        for start, stop in spans(label):
            alarm[start:stop] = alarm[start:stop].any()
        every.append(f1(label, alarm))
    assert point_adjusted_f1(label, score) == pytest.approx(max(every))


def test_deployed_figures_by_hand() -> None:
    # One day in minutes. Events of 10 and 20 minutes; the second is missed. Alarms: three
    # samples before and four inside the first, then two short ones that are one episode.
    label = flags(1_440, (100, 110), (700, 720))
    alarm = flags(1_440, (97, 100), (104, 108), (300, 302), (308, 310))
    got = at_threshold(label, alarm, period_s=60, gap=10)
    assert (got.events, got.detected, got.episodes, got.false_episodes) == (2, 1, 2, 1)
    assert got.recall == 0.5
    assert got.precision == pytest.approx(4 / 11)
    assert got.f1 == pytest.approx(2 * 0.5 * (4 / 11) / (0.5 + 4 / 11))
    assert got.alarm_rate == pytest.approx(11 / 1_440)
    assert got.false_per_day == pytest.approx(1_440 / 1_410)  # 1 in 1,410 healthy minutes
    assert got.delay_s == 4 * 60


def test_always_alarm_detects_everything_and_is_told_by_precision_and_alarm_rate() -> None:
    label = flags(1_000, (100, 150), (500, 550))
    got = at_threshold(label, np.ones(1_000, np.bool_), period_s=300)
    assert (got.recall, got.alarm_rate, got.false_episodes, got.delay_s) == (1.0, 1.0, 0, 0.0)
    assert got.precision == pytest.approx(0.1)
    assert got.f1 == pytest.approx(2 * 0.1 / 1.1)


def test_no_alarm_is_worth_nothing_and_has_no_delay() -> None:
    got = at_threshold(flags(50, (10, 20)), flags(50), period_s=300)
    assert (got.f1, got.precision, got.recall, got.episodes, got.false_per_day) == (0, 0, 0, 0, 0)
    assert math.isnan(got.delay_s)


def test_delay_is_the_median_over_detected_events() -> None:
    label = flags(100, (10, 20), (40, 50), (70, 80), (90, 95))
    alarm = flags(100, (11, 12), (43, 50), (77, 78))
    assert at_threshold(label, alarm, period_s=10).delay_s == 30


@given(labelled(), st.integers(0, 9))
def test_deployed_counts_agree_with_the_definition(
    case: tuple[Flags, NDArray[np.float64]], threshold: int
) -> None:
    label, score = case
    alarm = score > threshold
    got = at_threshold(label, alarm, period_s=60, gap=1)
    events, hits, alarmed, true = naive.event_counts(label, alarm)
    assert (got.events, got.detected) == (events, hits)
    assert got.precision == pytest.approx(true / alarmed if alarmed else 0)
    assert got.alarm_rate == pytest.approx(alarmed / label.size)
    assert got.false_episodes <= got.episodes


@pytest.mark.parametrize("measure", [average_precision, best_f1, point_adjusted_f1])
def test_refuses_what_no_figure_can_be_made_of(measure: Measure) -> None:
    label = flags(4, (1, 2))
    with pytest.raises(ValueError, match="2 of 4 scores are NaN or infinite"):
        measure(label, np.array([0.0, np.nan, np.inf, 1.0]))
    with pytest.raises(ValueError, match=r"\(4,\) and \(3,\)"):
        measure(label, np.zeros(3))
    with pytest.raises(ValueError, match="all alike"):
        measure(flags(4), np.zeros(4))
    with pytest.raises(ValueError, match="all alike"):
        measure(flags(4, (0, 4)), np.zeros(4))
    with pytest.raises(ValueError, match="flags"):
        measure(np.array([0, 1]), np.zeros(2))


def test_judging_alarms_refuses_bad_input() -> None:
    label = flags(4, (1, 2))
    with pytest.raises(ValueError, match=r"\(4,\) and \(3,\)"):
        at_threshold(label, flags(3), period_s=60)
    with pytest.raises(ValueError, match="all alike"):
        at_threshold(flags(4), flags(4), period_s=60)
    with pytest.raises(ValueError, match="period_s"):
        at_threshold(label, flags(4), period_s=0)
    with pytest.raises(ValueError, match="gap"):
        at_threshold(label, flags(4), period_s=60, gap=0)


@pytest.fixture(params=GOLDEN, ids=lambda case: str(case["name"]))
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    case: dict[str, Any] = request.param
    return {
        **case,
        "label": flags(case["samples"], *case["events"]),
        "alarm": flags(case["samples"], *case["alarms"]),
        "score": np.array(case["score"]),
    }


def test_figures_at_a_threshold_are_those_of_tsb_ad_and_dtaianomaly(golden: dict[str, Any]) -> None:
    found = at_threshold(golden["label"], golden["alarm"], period_s=60)
    assert found.f1 == pytest.approx(golden["tsb_event_f1"], abs=1e-9)
    assert found.points_f1 == pytest.approx(golden["tsb_point_f1"], abs=1e-9)
    assert found.recall == pytest.approx(golden["dtai_event_recall"])
    assert found.precision == pytest.approx(golden["dtai_precision"])
    assert found.detection_rate == pytest.approx(golden["dtai_recall"])


def test_oracle_figures_are_those_of_dtaianomaly(golden: dict[str, Any]) -> None:
    """It leaves out the threshold at which everything is in alarm, which an oracle may take too."""
    label, score = golden["label"], golden["score"]
    share = float(label.mean())
    want = max(golden["dtai_best_f1"], 2 * share / (1 + share))
    assert best_f1(label, score) == pytest.approx(want, abs=1e-9)
    adjusted = point_adjusted_f1(label, score)
    assert adjusted == pytest.approx(golden["dtai_best_f1_adjusted"], abs=1e-9)
    assert adjusted >= golden["tsb_point_f1_adjusted"] - 1e-9  # the best of all, and this is one


def test_average_precision_is_the_sum_of_steps_under_the_curve(golden: dict[str, Any]) -> None:
    precision, recall, _ = sklearn_metrics.precision_recall_curve(golden["label"], golden["score"])
    area = float(np.sum(-np.diff(recall) * precision[:-1]))
    assert average_precision(golden["label"], golden["score"]) == pytest.approx(area)


def test_rates_of_false_and_missing_alarms_are_those_of_the_confusion_matrix(
    golden: dict[str, Any],
) -> None:
    found = at_threshold(golden["label"], golden["alarm"], period_s=60)
    ((tn, fp), (fn, tp)) = sklearn_metrics.confusion_matrix(golden["label"], golden["alarm"])
    assert found.false_alarm_rate == pytest.approx(fp / (fp + tn))
    assert 1 - found.detection_rate == pytest.approx(fn / (fn + tp))
