"""How graphs ask to be run: in blocks, without an arena."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_anomaly.wishes import Wishes, in_blocks

Rows = NDArray[Any]


class Doubles:
    """Answers twice and half of what it is given, and remembers how much that was."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, feed: dict[str, Rows]) -> list[Rows]:
        self.sizes.append(len(feed["x"]))
        return [2 * feed["x"], feed["y"] / 2]


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(None, [7]), (7, [7]), (100, [7]), (3, [3, 3, 1]), (1, [1] * 7)],
    ids=["all at once", "as many", "more than there are", "a rest", "one by one"],
)
def test_blocks_answer_as_the_whole_does(rows: int | None, sizes: list[int]) -> None:
    run, x = Doubles(), np.arange(14.0).reshape(7, 2)
    twice, half = in_blocks(run, {"x": x, "y": x[:, 0]}, rows)
    np.testing.assert_array_equal(twice, 2 * x)
    np.testing.assert_array_equal(half, x[:, 0] / 2)
    assert run.sizes == sizes


def test_no_row_is_one_block() -> None:
    run, x = Doubles(), np.zeros((0, 2))
    twice, _ = in_blocks(run, {"x": x, "y": x[:, 0]}, 3)
    assert twice.shape == (0, 2)
    assert run.sizes == [0]


@pytest.mark.parametrize(
    "wishes", [Wishes(), Wishes(rows=3), Wishes(arena=False), Wishes(rows=8, arena=False)]
)
def test_wishes_survive_the_way_through_a_file(wishes: Wishes) -> None:
    assert Wishes.of({"family": "any", **wishes.properties}) == wishes


def test_a_file_that_asks_for_nothing_has_no_properties() -> None:
    assert Wishes().properties == {}


@pytest.mark.parametrize(
    ("properties", "complaint"),
    [
        ({"rows": "0"}, "rows is '0', not a number from 1"),
        ({"rows": "-1"}, "rows is '-1'"),
        ({"rows": "many"}, "rows is 'many'"),
        ({"rows": ""}, "rows is ''"),
        ({"arena": "perhaps"}, "arena is 'perhaps', neither yes nor no"),
    ],
)
def test_what_makes_no_sense_is_refused(properties: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Wishes.of(properties)
