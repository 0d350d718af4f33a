"""The cases of the ratio table: our kernels, peers at the same work, and the limit."""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_kernels import Forest, band_radius, dtw, dtw_batch, dtw_path, forest_scores
from edge_kernels.lanes import REGISTER_BYTES

__all__ = ["CASES", "Case", "Peer"]

Data = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Peer:
    """Another implementation, over the same pairs unless `pairs` says otherwise."""

    name: str
    run: Callable[[], Any] | None
    """None where it is not installed."""
    at_least: float
    """How many times faster than it we mean to be."""
    pairs: int | None = None
    """Pairs that `run` works through, where that is not the case's number."""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    ours: Callable[[], Any]
    pairs: int
    peers: tuple[Peer, ...]
    instructions: float = 0
    """Vector instructions of arithmetic in `ours` that nothing of its design avoids."""
    steps: int = 0
    """Diagonals in `ours` that each wait for the one before."""
    back: int = 0
    """Steps of a way back in `ours`, that each wait for the one before."""
    dtype: type = np.float32
    arguments: tuple[Any, ...] = ()
    """What `ours` hands to a compiled kernel, where such a call is a large part of it."""
    series: tuple[NDArray[Any], ...] = ()
    """What `ours` brings into lanes before it can compute."""
    shuffles: float = 0
    """Vector instructions that do so in the registers of `ours`."""


def reconstructions(count: int, n: int, channels: int) -> Data:
    """Windows and what a model makes of them: three samples late, with noise.

    Random walks of mean 0 and deviation 1, shape (count, n) or (count, n, channels).
    """
    random = np.random.default_rng(0)
    x = random.normal(size=(count, n, channels)).cumsum(axis=1)
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    y = np.roll(x, 3, axis=1) + 0.1 * random.normal(size=x.shape)
    return (x[..., 0].copy(), y[..., 0].copy()) if channels == 1 else (x, y)


def batch(n: int, dtype: type, at_least: tuple[float, ...], channels: int = 1) -> Case:
    count = 256
    data = reconstructions(count, n, channels)
    x: NDArray[Any] = data[0].astype(dtype)
    y: NDArray[Any] = data[1].astype(dtype)
    radius = band_radius(n, 0.1)
    # A cell: two minima, and a channel's difference and fused multiply-add, in float64
    # three instructions; the sum over several channels is added to the minimum.
    a_channel = 2 if dtype is np.float32 else 3
    in_a_cell = 2 + a_channel * channels + (channels > 1)
    cells = n * (2 * radius + 1) - radius * (radius + 1)
    return Case(
        ours=lambda: dtw_batch(x, y, radius),
        pairs=count,
        peers=_loops(data, radius, at_least),
        instructions=count * cells * in_a_cell * np.dtype(dtype).itemsize / REGISTER_BYTES,
        dtype=dtype,
        series=(x, y),
        shuffles=(x.size + y.size) * _shuffles_a_number(np.dtype(dtype).itemsize),
    )


def _shuffles_a_number(itemsize: int) -> float:
    """Of transposition: a square's registers are joined of 16-byte pieces, then zipped."""
    lanes, piece = REGISTER_BYTES // itemsize, 16 // itemsize
    return (lanes // piece - 1 + math.log2(piece)) / lanes


def pair(n: int, at_least: float, channels: int = 1) -> Case:
    data = reconstructions(1, n, channels)
    x, y = (series[0].astype(np.float32) for series in data)
    radius = band_radius(n, 0.1)
    # A register of a diagonal: a shift, two minima, and the channels' differences and
    # multiply-adds; the sum over several channels is added to the minimum.
    in_a_register = 3 + 2 * channels + (channels > 1)
    return Case(
        ours=lambda: [dtw(x, y, radius)],
        pairs=1,
        peers=_loops(data, radius, (at_least,)),
        instructions=(2 * n - 1) * _registers(radius) * in_a_register,
        steps=n,  # two chains, side by side
        arguments=(x, y, radius),
    )


def path(n: int, at_least: float) -> Case:
    data = reconstructions(1, n, 1)
    x, y = (series[0] for series in data)
    x32, y32 = x.astype(np.float32), y.astype(np.float32)
    radius = band_radius(n, 0.1)
    peer = _module("dtaidistance.dtw")
    return Case(
        ours=lambda: [dtw_path(x32, y32, radius)[0]],
        pairs=1,
        peers=(
            Peer(
                "dtaidistance, path alone",
                peer and (lambda: peer.warping_path_fast(x, y, window=radius + 1)),
                at_least,
            ),
        ),
        # As for a pair, and two comparisons.
        instructions=(2 * n - 1) * _registers(radius) * 7,
        steps=2 * n - 1,
        back=len(dtw_path(x32, y32, radius)[1]),
        arguments=(x32, y32, radius, np.empty((2 * n, 2), np.intp), np.empty(n, np.float32)),
    )


def _registers(radius: int) -> int:
    """Of float32, in a diagonal."""
    return -(-(radius + 1) * 4 // REGISTER_BYTES)


def forest(rows: int, at_least: float) -> Case:
    random = np.random.default_rng(0)
    x = random.normal(size=(4_000, 8)).astype(np.float32)
    part = x[:rows]
    ensemble = _module("sklearn.ensemble")
    theirs = None
    if ensemble:
        model = ensemble.IsolationForest(n_estimators=100, random_state=0).fit(x)
        flat = importlib.import_module("edge_export.calibration.isolation").flatten(model)
        theirs = partial(model.score_samples, part)
    else:
        flat = _random_forest(random, trees=100, features=8)
    return Case(
        ours=lambda: forest_scores(flat, part),
        pairs=rows,
        peers=(Peer("scikit-learn", theirs, at_least),),
    )


def _random_forest(random: np.random.Generator, *, trees: int, features: int) -> Forest:
    """Complete trees of as many cuts as scikit-learn's on 256 rows, to time ours alone."""
    depth = 8
    inner = np.arange(2**depth - 1)
    leaves = np.arange(inner.size, 2 * inner.size + 1)
    first = (inner.size + leaves.size) * np.arange(trees, dtype=np.int32)
    child = np.concatenate([2 * inner + 1, leaves]).astype(np.int32)
    cuts = random.normal(size=(trees, inner.size)).astype(np.float32)
    return Forest(
        feature=random.integers(features, size=trees * child.size).astype(np.int32),
        threshold=np.pad(cuts, [(0, 0), (0, leaves.size)], constant_values=np.inf).ravel(),
        child=(first[:, np.newaxis] + child).ravel(),
        length=np.full(trees * child.size, float(depth)),
        root=first,
        depth=np.full(trees, depth, np.int32),
        features=features,
        normal_length=10.24,
    )


def _loops(data: Data, radius: int, at_least: tuple[float, ...]) -> tuple[Peer, ...]:
    x, y = data
    count, n = x.shape[:2]
    pairs = list(zip(x, y, strict=True))
    peer = _module("dtaidistance.dtw_ndim" if x.ndim > 2 else "dtaidistance.dtw")
    aeon = _module("aeon.distances")
    # In dtaidistance a window of w + 1 is our radius w, and the distance a root.
    loop = Peer(
        "dtaidistance loop",
        peer and (lambda: [peer.distance_fast(a, b, window=radius + 1) ** 2 for a, b in pairs]),
        at_least[0],
    )
    if len(at_least) == 1:
        return (loop,)
    both, block = np.concatenate([x, y]), ((0, 16), (count, 2 * count))
    matrix = Peer(
        "dtaidistance matrix",
        peer
        and (
            lambda: peer.distance_matrix_fast(
                both, window=radius + 1, block=block, parallel=False, compact=True
            )
        ),
        at_least[1],
        pairs=16 * count,
    )
    # aeon rounds its share of n down: half a sample more makes it our radius.
    share = (radius + 0.5) / n
    slow = Peer(
        "aeon loop",
        aeon and (lambda: [aeon.dtw_distance(a, b, window=share) for a, b in pairs]),
        at_least[2],
    )
    return (loop, matrix, slow)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


CASES: dict[str, Callable[[], Case]] = {
    "batch 256, n = 96, float32": partial(batch, 96, np.float32, (120, 55, 55)),
    "batch 256, n = 96, float64": partial(batch, 96, np.float64, (60, 28, 28)),
    "batch 256, n = 672, float32": partial(batch, 672, np.float32, (120,)),
    "batch 256, n = 2048, float32": partial(batch, 2048, np.float32, (120,)),
    "one pair, n = 96": partial(pair, 96, 15),
    "one pair, n = 256": partial(pair, 256, 35),
    "one pair, n = 672": partial(pair, 672, 60),
    "batch 256, n = 96, d = 38, float32": partial(batch, 96, np.float32, (18,), 38),
    "one pair, n = 96, d = 38": partial(pair, 96, 5, 38),
    "path and profile, n = 96": partial(path, 96, 6),
    "path and profile, n = 672": partial(path, 672, 40),
    "forest of 100 trees, one row": partial(forest, 1, 1000),
    "forest of 100 trees, 128 rows": partial(forest, 128, 20),
}
