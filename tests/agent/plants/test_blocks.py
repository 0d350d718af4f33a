import numpy as np
import pytest
from numpy.typing import NDArray

from edge_anomaly.plants.blocks import Blocks

LENGTH, SHAPE = 5, (2, 3)


def drawn(first: int) -> NDArray[np.float32]:
    return np.arange(first * 6, (first + LENGTH) * 6, dtype=np.float32).reshape(LENGTH, *SHAPE)


@pytest.mark.parametrize("chunks", [(17,), (1,) * 17, (5, 5, 5, 2), (0, 7, 0, 10)])
def test_chunks_of_any_size_give_the_same_numbers(chunks: tuple[int, ...]) -> None:
    blocks = Blocks(drawn, LENGTH, SHAPE)
    slots, values = zip(*(blocks.take(n) for n in chunks), strict=True)
    assert np.concatenate(slots).tolist() == list(range(17))
    np.testing.assert_array_equal(np.concatenate(values).ravel(), np.arange(17 * 6))


def test_nothing_drawn_has_the_shape_of_readings() -> None:
    slots, values = Blocks(drawn, LENGTH, SHAPE).take(0)
    assert slots.shape == (0,)
    assert values.shape == (0, *SHAPE)


def test_each_block_is_drawn_once() -> None:
    asked = []

    def draw(first: int) -> NDArray[np.float32]:
        asked.append(first)
        return drawn(first)

    blocks = Blocks(draw, LENGTH, SHAPE)
    for n in (3, 3, 3, 3):
        blocks.take(n)
    assert asked == [0, 5, 10]


def test_there_is_no_way_back() -> None:
    with pytest.raises(ValueError, match="n must not be negative, got -1"):
        Blocks(drawn, LENGTH, SHAPE).take(-1)
