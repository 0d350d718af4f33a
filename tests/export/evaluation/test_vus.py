import json
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_export.evaluation.metrics import average_precision
from edge_export.evaluation.vus import vus_pr

# Origin and command: golden/make_vus.py.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "vus.json").read_text("utf-8"))["cases"]


def flags(n: int, *events: tuple[int, int]) -> NDArray[np.bool_]:
    label = np.zeros(n, np.bool_)
    for start, stop in events:
        label[start:stop] = True
    return label


@pytest.fixture(params=GOLDEN, ids=lambda case: str(case["name"]))
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    case: dict[str, Any] = request.param
    return {
        "label": flags(len(case["score"]), *case["events"]),
        "score": np.array(case["score"]),
        "buffer": case["buffer"],
        "vus": case["vus"],
        "aeon": case["aeon"],
    }


def test_gives_what_the_authors_package_gives(golden: dict[str, Any]) -> None:
    got = vus_pr(golden["label"], golden["score"], golden["buffer"])
    assert got == pytest.approx(golden["vus"], abs=1e-12)


def test_the_differences_from_aeon_are_the_five_that_the_definition_names(
    golden: dict[str, Any],
) -> None:
    got = naive.aeon_vus_pr(golden["label"], golden["score"], golden["buffer"])
    assert got == pytest.approx(golden["aeon"], abs=1e-9)


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.bool_], NDArray[np.float64], int]:
    n = draw(st.integers(3, 40))
    label = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    label[draw(st.integers(0, n - 1))] = True
    label[draw(st.integers(0, n - 1))] = False
    if not label.any():
        label[0] = True
    few = st.integers(-2, 3)  # ties are the rule
    score = np.array(draw(st.lists(few, min_size=n, max_size=n)), np.float64)
    return label, score, draw(st.integers(0, 7))


@given(cases())
def test_agrees_with_the_definition(
    case: tuple[NDArray[np.bool_], NDArray[np.float64], int],
) -> None:
    assert vus_pr(*case) == pytest.approx(naive.vus_pr(*case), abs=1e-12)


def test_a_perfect_score_without_a_buffer_gets_one() -> None:
    label = flags(1000, (100, 200), (700, 710))
    assert vus_pr(label, label.astype(np.float64), buffer=0) == pytest.approx(1.0)


def test_a_constant_score_gets_the_share_of_labels_and_slopes() -> None:
    label = flags(1000, (500, 600))
    assert vus_pr(label, np.ones(1000), buffer=0) == pytest.approx(0.1)
    # Buffer 2 adds one sample of sqrt(1 - 1 / 2) either side; buffers 0 and 1 add none.
    want = (0.1 + 0.1 + (100 + 2 * np.sqrt(0.5)) / 1000) / 3
    assert vus_pr(label, np.ones(1000), buffer=2) == pytest.approx(want)


def test_an_alarm_just_beside_the_event_is_worth_more_with_a_buffer() -> None:
    label = flags(1000, (500, 510))
    score = flags(1000, (510, 520)).astype(np.float64)
    assert vus_pr(label, score, buffer=0) == pytest.approx(average_precision(label, score), abs=0.1)
    assert vus_pr(label, score, buffer=100) > 0.4 > 5 * vus_pr(label, score, buffer=0)


def test_only_the_order_of_scores_matters() -> None:
    rng = np.random.default_rng(3)
    label, score = flags(2000, (300, 340), (900, 1000)), rng.normal(size=2000)
    assert vus_pr(label, np.exp(score), 20) == vus_pr(label, score, 20)


def test_a_random_score_stays_near_the_share_of_labels_and_slopes() -> None:
    label = flags(20000, (300, 340), (900, 1000), (9000, 9400))
    random = [vus_pr(label, np.random.default_rng(s).random(20000), 100) for s in range(5)]
    always = vus_pr(label, np.ones(20000), 100)
    assert np.mean(random) == pytest.approx(always, rel=0.15)


def test_one_event_at_every_rank_without_a_buffer_is_average_precision() -> None:
    rng = np.random.default_rng(4)
    label, score = flags(3000, (900, 1000)), rng.normal(size=3000)
    score[950:] += 1
    precision = average_precision(label, score)
    assert vus_pr(label, score, 0, thresholds=3000) == pytest.approx(precision, abs=1e-12)
    assert vus_pr(label, score, 0) < precision  # coarser ranks take less of the peak


def test_refuses_no_ranks() -> None:
    with pytest.raises(ValueError, match="thresholds must be positive"):
        vus_pr(flags(5, (1, 2)), np.arange(5.0), thresholds=0)


@pytest.mark.parametrize(
    ("label", "score", "buffer", "message"),
    [
        (flags(5, (1, 2)), np.array([0, 1, np.nan, 3, 4]), 2, "1 of 5 scores are NaN or infinite"),
        (flags(5), np.arange(5.0), 2, "all alike"),
        (flags(5, (0, 5)), np.arange(5.0), 2, "all alike"),
        (flags(5, (1, 2)), np.arange(4.0), 2, "must be"),
        (flags(5, (1, 2)), np.arange(5.0), -1, "buffer"),
    ],
)
def test_refuses(
    label: NDArray[np.bool_], score: NDArray[np.float64], buffer: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        vus_pr(label, score, buffer)
