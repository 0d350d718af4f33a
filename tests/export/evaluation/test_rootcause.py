import itertools
from dataclasses import asdict

import numpy as np
import pytest

from edge_export.evaluation.rootcause import chance, hits

CAUSES = np.array([False, True, False, True, False])


def test_hits_by_hand() -> None:
    # Mean deviations 5, 4, 3, 2, 1: the causes rank second and fourth.
    got = hits(np.array([[6.0, 4, 3, 2, 1], [4.0, 4, 3, 2, 1]]), CAUSES)
    assert asdict(got) == {"hit_top1": 0.0, "hit_top3": 1.0, "hit_100": 0.5, "hit_150": 0.5}


def test_blaming_the_causes_most_is_perfect() -> None:
    got = hits(np.array([[1.0, 9, 2, 8, 3]]), CAUSES)
    assert set(asdict(got).values()) == {1.0}


@pytest.mark.parametrize("causes", [1, 2, 4, 5])
def test_chance_is_the_mean_over_every_ranking(causes: int) -> None:
    blamed = np.arange(5) < causes
    every = [
        asdict(hits(np.array([order], float), blamed)) for order in itertools.permutations(range(5))
    ]
    want = {key: np.mean([one[key] for one in every]) for key in every[0]}
    assert asdict(chance(5, causes)) == pytest.approx(want)


def test_refuses_what_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="n >= 1"):
        hits(np.empty((0, 5)), CAUSES)
    with pytest.raises(ValueError, match=r"\(2, 4\)"):
        hits(np.ones((2, 4)), CAUSES)
    with pytest.raises(ValueError, match="needs a cause"):
        hits(np.ones((1, 5)), CAUSES & False)
    with pytest.raises(ValueError, match="finite"):
        hits(np.full((1, 5), np.nan), CAUSES)
    with pytest.raises(ValueError, match=r"1\.\.5"):
        chance(5, 0)
