import itertools
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import DTypeLike, NDArray

from edge_kernels import band_radius, dtw, dtw_batch, dtw_path

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
RTOL = {np.float32: 2e-5, np.float64: 1e-12}

Pair = tuple[NDArray[Any], NDArray[Any], int]


@st.composite
def pairs(draw: st.DrawFn, dtype: DTypeLike = np.float64, *, longest: int = 40) -> Pair:
    """Two series whose lengths the radius joins: noise, constants, far from zero."""
    n = draw(st.integers(1, longest))
    m = max(1, n + draw(st.integers(-4, 4)))
    radius = abs(n - m) + draw(st.integers(0, longest))
    channels = draw(st.sampled_from([1, 1, 2, 5]))
    offset = draw(st.sampled_from([0.0, 0.0, 1e3, -1e9]))
    scale = draw(st.sampled_from([1.0, 0.0, 1e-3, 1e5, np.finfo(dtype).smallest_subnormal]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, y = (offset + scale * random.normal(size=(k, channels)).astype(dtype) for k in (n, m))
    x, y = x.astype(dtype), y.astype(dtype)
    return (x[:, 0], y[:, 0], radius) if channels == 1 else (x, y, radius)


def walks(
    count: int, n: int, dtype: DTypeLike, channels: int | None = None
) -> NDArray[np.floating]:
    shape = (count, n) if channels is None else (count, n, channels)
    return np.random.default_rng(n).normal(size=shape).cumsum(1).astype(dtype)


# The three functions agree with the definition ...


@BOTH
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_agree_with_the_definition(dtype: type[np.floating], data: st.DataObject) -> None:
    x, y, radius = data.draw(pairs(dtype))
    want = naive.dtw(x, y, radius)
    # A square below what a float can hold is lost, whatever the differences are.
    lost = float(np.finfo(dtype).smallest_normal) * (x.size + y.size)
    for got in (
        dtw(x, y, radius),
        dtw_batch(x[None], y[None], radius)[0],
        dtw_path(x, y, radius)[0],
    ):
        assert got == pytest.approx(want, rel=RTOL[dtype], abs=lost)


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_a_float64_batch_is_exact_to_the_last_bit(pair: Pair) -> None:
    x, y, radius = pair
    assert dtw_batch(x[None], y[None], radius)[0] == naive.dtw(x, y, radius)


@given(
    arrays(np.float64, 9, elements=st.floats(-1e150, 1e150)),
    arrays(np.float64, 9, elements=st.floats(-1e150, 1e150)),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_any_number_is_exact(x: NDArray[np.float64], y: NDArray[np.float64], radius: int) -> None:
    assert dtw_batch(x[None], y[None], radius)[0] == naive.dtw(x, y, radius)


# (n, m, radius): every remainder of the four-row tiles, bands narrower than a tile, as
# wide as the matrix, of one register of lanes, of two, of more.
SHAPES = [
    *itertools.product(range(1, 10), range(1, 10), (0, 1, 2, 3, 8)),
    *((n, m, w) for n in (63, 64, 65, 66) for m in (63, 66) for w in (3, 6, 15, 16, 31, 32, 65)),
    (300, 290, 40),
    (150, 150, 149),
]


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_every_shape_agrees_with_the_definition(dtype: type[np.floating], channels: int) -> None:
    for n, m, radius in SHAPES:
        if abs(n - m) > radius or (channels > 1 and n > 70):
            continue
        x, y = walks(1, n, dtype, channels)[0], walks(1, m, dtype, channels)[0][::-1]
        want = pytest.approx(naive.dtw(x, y, radius), rel=RTOL[dtype])
        assert dtw(x, y, radius) == want, (n, m, radius)
        assert dtw_batch(x[None], y[None], radius)[0] == want, (n, m, radius)
        assert dtw_path(x, y, radius)[0] == want, (n, m, radius)


@BOTH
def test_many_channels_agree_with_the_definition(dtype: type[np.floating]) -> None:
    # More than a register has lanes: series are then transposed in registers.
    x, y = walks(20, 37, dtype, 38), walks(20, 35, dtype, 38)[:, ::-1]
    want = [naive.dtw(*pair, 6) for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(dtw_batch(x, y, 6), want, RTOL[dtype])
    np.testing.assert_allclose(
        [dtw(*pair, 6) for pair in zip(x, y, strict=True)], want, RTOL[dtype]
    )


# ... and have the properties of a distance in a band.


@given(pairs())
@settings(max_examples=40, deadline=None)
def test_is_symmetric_and_never_grows_with_the_radius(pair: Pair) -> None:
    x, y, radius = pair
    here = dtw_batch(x[None], y[None], radius)[0]
    assert here == dtw_batch(y[None], x[None], radius)[0]
    assert here >= dtw_batch(x[None], y[None], radius + 3)[0] >= 0
    assert dtw_batch(x[None], x[None], radius)[0] == 0


@BOTH
def test_radius_0_is_the_squared_euclidean_distance(dtype: type[np.floating]) -> None:
    x, y = walks(3, 50, dtype), walks(3, 50, dtype)[:, ::-1]
    want = ((x - y) ** 2).sum(1)
    np.testing.assert_allclose(dtw_batch(x, y, 0), want, RTOL[dtype])
    assert dtw(x[0], y[0], 0) == pytest.approx(want[0], rel=RTOL[dtype])


def test_a_radius_beyond_the_series_is_no_band_at_all() -> None:
    x, y = walks(1, 30, np.float64)[0], walks(1, 25, np.float64)[0]
    assert dtw(x, y, 29) == dtw(x, y, 10**9) == pytest.approx(naive.dtw(x, y, 30))


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_the_path_is_valid_and_costs_the_distance(pair: Pair) -> None:
    x, y, radius = pair
    distance, path, profile = dtw_path(x, y, radius)
    i, j = path.T
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [len(x) - 1, len(y) - 1]
    assert {*map(tuple, np.diff(path, axis=0))} <= {(0, 1), (1, 0), (1, 1)}
    assert (np.abs(i - j) <= radius).all()
    costs = ((x[i] - y[j]) ** 2).reshape(len(path), -1).sum(1)
    np.testing.assert_allclose(profile, np.bincount(i, costs), 1e-9, 1e-12)
    assert profile.sum() == pytest.approx(distance, rel=1e-9, abs=1e-12)


def test_the_profile_points_at_the_fault() -> None:
    x = np.sin(np.arange(100) / 5)
    faulty = x.copy()
    faulty[60:70] += 4
    _, _, profile = dtw_path(faulty, x, 5)
    assert profile[60:70].sum() > 0.9 * profile.sum()


def test_of_equal_paths_the_diagonal_one_is_taken() -> None:
    _, path, _ = dtw_path(np.zeros(4), np.zeros(4), 3)
    assert path.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]


# Batches


@BOTH
@pytest.mark.parametrize("pairs_in_batch", [1, 2, 7, 8, 15, 16, 17, 33])
def test_a_distance_does_not_depend_on_the_batch_around_it(
    dtype: type[np.floating], pairs_in_batch: int
) -> None:
    x, y = walks(33, 25, dtype), walks(33, 25, dtype)[:, ::-1]
    whole = dtw_batch(x, y, 4)
    part = slice(33 - pairs_in_batch, None)
    assert dtw_batch(x[part], y[part], 4).tolist() == whole[part].tolist()


@pytest.mark.parametrize("count", [1, 16, 31, 100])
def test_threads_change_nothing(count: int) -> None:
    x, y = walks(count, 40, np.float32), walks(count, 40, np.float32)[:, ::-1]
    assert dtw_batch(x, y, 5, threads=3).tolist() == dtw_batch(x, y, 5).tolist()


def test_fills_the_array_it_is_given() -> None:
    x, y = walks(5, 20, np.float32), walks(5, 22, np.float32)
    out = np.empty(5, np.float32)
    assert dtw_batch(x, y, 3, out=out) is out
    assert out.tolist() == dtw_batch(x, y, 3).tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_distances_are_put_into_memory_that_is_mapped_to_a_file(
    tmp_path: Path, threads: int
) -> None:
    x, y = walks(40, 20, np.float32), walks(40, 22, np.float32)
    out = np.memmap(tmp_path / "distances", x.dtype, "w+", shape=(40,))
    assert dtw_batch(x, y, 3, out=out, threads=threads) is out
    assert out.tolist() == dtw_batch(x, y, 3).tolist()


@BOTH
def test_takes_views_read_only_and_foreign_byte_orders(
    dtype: type[np.floating],
) -> None:
    x, y = walks(20, 30, dtype), walks(20, 30, dtype)[:, ::-1].copy()
    want = dtw_batch(x, y, 4).tolist()
    frozen = x.copy()
    frozen.flags.writeable = False
    swapped = y.astype(np.dtype(dtype).newbyteorder())
    assert dtw_batch(np.asfortranarray(x), swapped, 4).tolist() == want
    assert dtw_batch(frozen, np.repeat(y, 2, axis=1)[:, ::2], 4).tolist() == want
    assert dtw(frozen[0], swapped[0], 4) == dtw(x[0], y[0], 4)


@BOTH
@pytest.mark.parametrize("n", [1, 2, 30])
def test_pairs_are_taken_from_arrays_of_any_layout(dtype: type[np.floating], n: int) -> None:
    # A pair that was compiled before is handed to the kernel almost unseen.
    x, y = walks(2, n, dtype)
    radius: Any = np.int64(4)
    want, path, profile = dtw_path(x, y, 4)
    assert dtw(x, y, 4) == pytest.approx(want)
    column = np.stack([x, y, x], axis=1)[:, 0]
    backwards = x[::-1].copy()[::-1]
    frozen = x.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(dtype)
    for same in (column, backwards, frozen, unaligned, x[:, None], memoryview(x), list(x)):
        other = y[:, None] if isinstance(same, np.ndarray) and same.ndim == 2 else y
        assert dtw(same, other, 4) == dtw(x, y, 4)
        distance, steps, shares = dtw_path(same, other, radius)
        assert (distance, steps.tolist()) == (want, path.tolist())
        assert shares.tolist() == profile.tolist()
    assert dtw(np.broadcast_to(x[:1], n), y, 4) == dtw(np.repeat(x[:1], n), y, 4)


@BOTH
@pytest.mark.parametrize("n", [1, 2, 30])
def test_batches_are_taken_from_arrays_of_any_layout(dtype: type[np.floating], n: int) -> None:
    # A batch that was compiled before is handed to the kernel almost unseen.
    x, y = walks(40, n, dtype), walks(40, n, dtype)[:, ::-1].copy()
    want = dtw_batch(x, y, 4).tolist()
    columns = np.asfortranarray(x)
    backwards = x[::-1].copy()[::-1]
    every_other = np.repeat(x, 2, axis=0)[::2]
    wider = np.concatenate([x, x], axis=1)[:, :n]
    frozen = x.copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(dtype).reshape(x.shape)
    for same in (columns, backwards, every_other, wider, frozen, unaligned, list(x), x[:, :, None]):
        other = y[:, :, None] if np.ndim(same) == 3 else y
        assert dtw_batch(same, other, 4).tolist() == want
    assert dtw_batch(x, y, np.int64(4)).tolist() == want  # type: ignore[arg-type]  # as it comes
    one = np.broadcast_to(x[:1], x.shape)
    assert dtw_batch(one, y, 4).tolist() == dtw_batch(one.copy(), y, 4).tolist()


def test_a_batch_that_was_compiled_before_is_still_refused() -> None:
    x = walks(40, 20, np.float32)
    dtw_batch(x, x, 4)
    with pytest.raises(ValueError, match=r"\(B, n\[, d\]\)"):
        dtw_batch(x, x[:39], 4)
    for wrong in (x[:0], x[:, :0]):
        with pytest.raises(ValueError, match=r"empty|share"):
            dtw_batch(wrong, wrong, 4)
    for radius in (1, -1, -(10**30)):
        with pytest.raises(ValueError, match="radius"):
            dtw_batch(x, x[:, :18], radius)
    with pytest.raises(TypeError, match="integer"):
        dtw_batch(x, x, 4.0)  # type: ignore[arg-type]  # what is refused
    assert dtw_batch(x, x[:, :18], 10**30).tolist() == dtw_batch(x, x[:, :18], 19).tolist()


def test_mixed_precision_is_computed_in_float64() -> None:
    x, y = walks(2, 30, np.float32), walks(2, 30, np.float64)[:, ::-1]
    assert dtw_batch(x, y, 4).dtype == np.float64
    assert dtw_batch(x, y, 4).tolist() == dtw_batch(x.astype(np.float64), y, 4).tolist()
    assert dtw_batch(x, x, 4).dtype == np.float32


# What is no number stays none.


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("shape", [(24,), (24, 3)])
def test_a_nan_or_infinity_anywhere_makes_the_pair_nan(
    dtype: type[np.floating], bad: float, shape: tuple[int, ...]
) -> None:
    for radius in (0, 1, 3, 23):
        for i in (0, 1, 11, 22, 23):
            x, y = np.ones((18, *shape), dtype), np.zeros((18, *shape), dtype)
            x[3, i] = bad
            y[17, i] = bad
            y[9, 23 - i] = x[9, i] = bad
            got = dtw_batch(x, y, radius)
            assert np.flatnonzero(np.isnan(got)).tolist() == [3, 9, 17]
            for b in (3, 9, 17):
                assert np.isnan(dtw(x[b], y[b], radius))
                distance, path, profile = dtw_path(x[b], y[b], radius)
                assert np.isnan(distance)
                assert path.shape == (0, 2)
                assert np.isnan(profile).all()


def test_overflow_is_infinite_and_underflow_zero() -> None:
    big, small = np.full(20, 1e30, np.float32), np.full(20, 1e-30, np.float32)
    zero = np.zeros(20, np.float32)
    assert dtw(big, zero, 3) == dtw_batch(big[None], zero[None], 3)[0] == np.inf
    assert dtw_path(big, zero, 3)[0] == np.inf
    assert dtw(small, zero, 3) == dtw_batch(small[None], zero[None], 3)[0] == 0


# Refusals

SERIES = np.zeros(8)


@pytest.mark.parametrize("distance", [dtw, dtw_path])
@pytest.mark.parametrize(
    ("x", "y", "radius"),
    [
        pytest.param(SERIES, np.zeros(5), 2, id="the radius does not bridge the lengths"),
        pytest.param(SERIES, SERIES, -1, id="negative radius"),
        pytest.param(SERIES, np.zeros(0), 9, id="empty"),
        pytest.param(np.zeros((8, 0)), np.zeros((8, 0)), 2, id="no channels"),
        pytest.param(np.zeros((8, 2)), np.zeros((8, 3)), 2, id="other channels"),
        pytest.param(np.zeros((8, 1)), SERIES, 2, id="other dimensions"),
        pytest.param(np.zeros((2, 8, 1)), np.zeros((2, 8, 1)), 2, id="a batch"),
    ],
)
def test_a_pair_is_refused(
    distance: type, x: NDArray[np.float64], y: NDArray[np.float64], radius: int
) -> None:
    with pytest.raises(ValueError, match="must"):
        distance(x, y, radius)


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "radius"),
    [
        pytest.param((4, 8), (3, 8), 2, id="other counts"),
        pytest.param((4, 8), (4, 3), 2, id="the radius does not bridge the lengths"),
        pytest.param((4, 8), (4, 8), -1, id="negative radius"),
        pytest.param((0, 8), (0, 8), 2, id="no pairs"),
        pytest.param((4, 0), (4, 0), 2, id="empty series"),
        pytest.param((4, 8, 2), (4, 8, 3), 2, id="other channels"),
        pytest.param((4, 8, 0), (4, 8, 0), 2, id="no channels"),
        pytest.param((8,), (8,), 2, id="a pair"),
    ],
)
def test_a_batch_is_refused(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], radius: int
) -> None:
    with pytest.raises(ValueError, match="must"):
        dtw_batch(np.zeros(x_shape), np.zeros(y_shape), radius)


@pytest.mark.parametrize(
    "out",
    [np.empty(3), np.empty(4, np.float32), np.empty((4, 1)), np.empty(8)[::2]],
    ids=["too short", "other dtype", "two dimensions", "strided"],
)
def test_an_array_that_does_not_fit_is_refused(out: NDArray[np.floating]) -> None:
    with pytest.raises(ValueError, match="out must"):
        dtw_batch(np.zeros((4, 8)), np.zeros((4, 8)), 2, out=out)


def test_no_threads_and_unknown_costs_are_refused() -> None:
    with pytest.raises(ValueError, match="threads must"):
        dtw_batch(np.zeros((4, 8)), np.zeros((4, 8)), 2, threads=0)
    with pytest.raises(ValueError, match="cost must"):
        dtw_batch(np.zeros((4, 8)), np.zeros((4, 8)), 2, cost="cubic")
    with pytest.raises(ValueError, match="cost must"):
        dtw(SERIES, SERIES, 2, cost="cubic")


@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.complex128, object])
def test_anything_but_floats_is_refused(dtype: type[np.floating]) -> None:
    bad = np.zeros(8).astype(dtype)
    for x, y in ((bad, SERIES), (SERIES, bad), (bad, bad)):
        with pytest.raises(TypeError, match="must be float32 or float64"):
            dtw(x, y, 2)


# The band


@pytest.mark.parametrize(
    ("n", "ratio", "radius"),
    [
        (96, 0.1, 10),
        (100, 0.07, 7),
        (30, 0.1, 3),
        (1, 0.0, 0),
        (7, 1.0, 7),
        (48, 0.01, 1),
    ],
)
def test_the_radius_is_rounded_up(n: int, ratio: float, radius: int) -> None:
    assert band_radius(n, ratio) == radius


@pytest.mark.parametrize(("n", "ratio"), [(0, 0.1), (5, -0.1), (5, 1.1), (5, np.nan)])
def test_a_band_that_makes_no_sense_is_refused(n: int, ratio: float) -> None:
    with pytest.raises(ValueError, match="ratio"):
        band_radius(n, ratio)
