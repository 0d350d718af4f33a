import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge_kernels import (
    combine_log1p,
    largest_group,
    mahalanobis,
    mean_of_largest,
    mean_square,
    vote,
)

TRACKS = arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 6)),
    elements=st.floats(-1e6, 1e6, width=32),
)
ONE = np.ones((1, 1, 1), np.float32)


@given(TRACKS)
def test_mean_square_is_the_mean_of_squares(tracks: np.ndarray) -> None:
    want = (tracks.astype(np.float64) ** 2).mean(axis=2)
    np.testing.assert_allclose(mean_square(tracks), want, rtol=1e-5, atol=1e-30)


@given(TRACKS, st.data())
def test_the_largest_group_is_that_of_each_mean_square(
    tracks: np.ndarray, data: st.DataObject
) -> None:
    channels = tracks.shape[2]
    groups = data.draw(st.integers(1, channels))
    group = np.arange(channels) % groups
    squares = tracks.astype(np.float64) ** 2
    want = np.max([squares[..., group == g].mean(axis=2) for g in range(groups)], axis=0)
    np.testing.assert_allclose(largest_group(tracks, group), want, rtol=1e-5, atol=1e-30)


def test_mahalanobis_of_whitened_noise_is_its_length_and_the_parts_add_up() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(4, 4))
    white = rng.normal(size=(50, 1, 4))
    tracks = (white @ mixing.T + 3).astype(np.float32)
    precision = np.linalg.inv(mixing @ mixing.T).astype(np.float32)[None, None]
    mean = np.full((1, 1, 4), 3, np.float32)
    distance, parts = mahalanobis(tracks, np.zeros(50, np.int64), mean, precision)
    np.testing.assert_allclose(distance, np.linalg.norm(white, axis=2), rtol=1e-3)
    np.testing.assert_allclose(parts.sum(axis=2), distance**2, rtol=1e-3)


def test_mahalanobis_blames_the_signal_that_moved() -> None:
    tracks = np.zeros((1, 1, 3), np.float32)
    tracks[0, 0, 1] = 5
    _, parts = mahalanobis(
        tracks,
        np.zeros(1, np.int64),
        np.zeros((1, 1, 3), np.float32),
        np.eye(3, dtype=np.float32)[None, None],
    )
    assert parts[0, 0].tolist() == [0, 25, 0]


def test_a_nan_stays_one() -> None:
    tracks = np.full((1, 1, 1), np.nan, np.float32)
    assert np.isnan(mean_square(tracks)).all()
    assert np.isnan(mahalanobis(tracks, np.zeros(1, np.int64), ONE, ONE[None])[0]).all()


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=6), st.data())
def test_n_votes_are_above_one_where_n_tracks_are(scores: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(scores)))
    x = np.array([scores], np.float32)
    assert (vote(x, n)[0, 0] > 1) == ((x > 1).sum() >= n)


def test_log1p_keeps_order_and_takes_negative_scores_for_none() -> None:
    got = combine_log1p(np.array([[-5.0, 0.0], [1.0, 1.0], [9.0, 1.0]], np.float32))
    assert got[0, 0] == 0
    assert got[1, 0] < got[2, 0]


def test_refuses() -> None:
    with pytest.raises(ValueError, match=r"k in 1\.\.C"):
        mean_of_largest(ONE, 2)
    with pytest.raises(ValueError, match=r"must be \(B, T, C\)"):
        mean_square(ONE[0])
    with pytest.raises(ValueError, match="numbered from 0 without a gap"):
        largest_group(ONE, np.ones(1, np.int64))
    with pytest.raises(ValueError, match=r"group \(C,\)"):
        largest_group(ONE, np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"precision \(D, T, C, C\)"):
        mahalanobis(ONE, np.zeros(1, np.int64), ONE, ONE)
    with pytest.raises(ValueError, match=r"device must be \(1,\)"):
        mahalanobis(ONE, np.zeros(2, np.int64), ONE, ONE[None])
    with pytest.raises(ValueError, match=r"device must be in 0\.\.0"):
        mahalanobis(ONE, np.ones(1, np.int64), ONE, ONE[None])
    with pytest.raises(ValueError, match=r"n in 1\.\.T"):
        vote(ONE[0], 2)
    with pytest.raises(ValueError, match=r"scores must be \(B, T\)"):
        combine_log1p(ONE)
