"""The same numbers as other libraries, each of which names a band in its own way."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_kernels import dtw, dtw_path

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]
N = 60


@pytest.fixture(params=[None, 3], ids=["one channel", "three"])
def pair(request: pytest.FixtureRequest) -> Pair:
    shape = (2, N) if request.param is None else (2, N, request.param)
    x, y = np.random.default_rng(5).normal(size=shape).cumsum(axis=1)
    return x, y


RADII = pytest.mark.parametrize("radius", [0, 1, 6, 59])


@RADII
def test_dtaidistance(pair: Pair, radius: int) -> None:
    name = "dtw" if pair[0].ndim == 1 else "dtw_ndim"
    peer = pytest.importorskip(f"dtaidistance.{name}")
    root = peer.distance_fast(*pair, window=radius + 1)
    assert dtw(*pair, radius) == pytest.approx(root**2)


@RADII
def test_tslearn(pair: Pair, radius: int) -> None:
    metrics = pytest.importorskip("tslearn.metrics")
    root = metrics.dtw(*pair, global_constraint="sakoe_chiba", sakoe_chiba_radius=radius)
    assert dtw(*pair, radius) == pytest.approx(root**2)


@RADII
def test_aeon(pair: Pair, radius: int) -> None:
    # Not in an extra, for it pins an older numba: bench/aeon.txt says how to install it.
    distances = pytest.importorskip("aeon.distances")
    x, y = (series.T for series in pair)  # channels first
    distance = distances.dtw_distance(x, y, window=(radius + 0.5) / N)
    assert dtw(*pair, radius) == pytest.approx(distance)


def test_the_path_of_dtaidistance(pair: Pair) -> None:
    peer = pytest.importorskip("dtaidistance.dtw")
    if pair[0].ndim > 1:
        pytest.skip("it traces paths of one channel")
    _, path, _ = dtw_path(*pair, 6)
    assert [tuple(step) for step in path] == peer.warping_path_fast(*pair, window=7)
