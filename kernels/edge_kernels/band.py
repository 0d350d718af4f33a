"""The Sakoe-Chiba band, and what every elastic distance checks before it starts.

Sakoe and Chiba, "Dynamic programming algorithm optimization for spoken word
recognition", IEEE Trans. ASSP 26(1), 1978: step i of one series may be matched with
step j of the other only where |i - j| <= radius.
"""

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "band_radius",
    "check_batch",
    "check_cost",
    "check_pair",
    "check_radius",
    "check_series",
    "mark_unusable",
]

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
FLOATS = (FLOAT32, FLOAT64)


def band_radius(n: int, ratio: float) -> int:
    """The radius that is `ratio` of a window of `n` samples, rounded up.

    Args:
        n: Samples in the window, at least 1.
        ratio: Radius as a share of the window, in [0, 1].

    Raises:
        ValueError: `n` or `ratio` is out of range.
    """
    if n < 1 or not 0 <= ratio <= 1:
        raise ValueError(f"n must be >= 1 and ratio in [0, 1], got {n} and {ratio}")
    # 0.07 * 100 is 7.000000000000001: not a reason for an eighth sample.
    return math.ceil(round(ratio * n, 9))


def check_radius(n: int, m: int, radius: int) -> int:
    """`radius`, no wider than series of `n` and `m` samples can use.

    Raises:
        ValueError: A series is empty, or no path through the band joins both ends.
    """
    if n < 1 or m < 1:
        raise ValueError(f"series must not be empty, got {n} and {m} samples")
    if radius < n - m or radius < m - n:
        raise ValueError(
            f"radius must be at least 0 and the difference in length: {radius} does "
            f"not join series of {n} and {m} samples"
        )
    radius = operator.index(radius)
    longest = n if n > m else m  # noqa: FURB136  # max() would take four times as long
    return radius if radius < longest else longest - 1


def check_cost(cost: str) -> None:
    """Refuse a cost that no kernel computes.

    Raises:
        ValueError: `cost` is not "squared".
    """
    if cost != "squared":
        raise ValueError(f'cost must be "squared", got {cost!r}')


def check_pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as writeable C-contiguous arrays of one dtype, copied only where needed.

    float32 if both are, else float64.

    Raises:
        TypeError: One is neither float32 nor float64.
    """
    # What callers mostly have is told apart first, and by identity: this check takes as
    # long as a quarter of a short pair's distance.
    if type(x) is np.ndarray and type(y) is np.ndarray:
        dtype = x.dtype
        if (
            dtype is y.dtype
            and (dtype is FLOAT32 or dtype is FLOAT64)
            and x.flags.carray
            and y.flags.carray
        ):
            return x, y
    x = np.asarray(x)
    y = np.asarray(y)
    if x.dtype is not y.dtype or x.dtype not in FLOATS:
        for one in (x, y):
            if one.dtype.newbyteorder("=") not in FLOATS:
                raise TypeError(f"series must be float32 or float64, got {one.dtype}")
        dtype = np.result_type(x.dtype, y.dtype)  # of native byte order
        x, y = x.astype(dtype), y.astype(dtype)
    # Writeable, because numba would compile a second kernel for read-only arrays.
    if not x.flags.carray:
        x = np.array(x, order="C")
    if not y.flags.carray:
        y = np.array(y, order="C")
    return x, y


def check_series(x: NDArray[Any], y: NDArray[Any]) -> tuple[int, int, int]:
    """How long x and y are, and how many channels they have.

    Raises:
        ValueError: They are not both (time,), or both (time, channels).
    """
    shape, other = x.shape, y.shape
    if len(shape) == 1 and len(other) == 1:
        return shape[0], other[0], 1
    if len(shape) != 2 or shape[1:] != other[1:] or shape[1] == 0:
        raise ValueError(f"series must be (n,) or (n, d) alike, got {shape} and {other}")
    return shape[0], other[0], shape[1]


def check_batch(X: NDArray[Any], Y: NDArray[Any]) -> tuple[int, int, int, int]:
    """How many pairs there are, how long each of their series is, and its channels.

    Raises:
        ValueError: They are not both (pairs, time), or both (pairs, time, channels).
    """
    shape, other = X.shape, Y.shape
    if shape == other and len(shape) == 2 and 0 not in shape:  # what callers mostly have
        pairs, n = shape
        return pairs, n, n, 1
    if len(shape) not in {2, 3} or len(shape) != len(other) or shape[0] != other[0]:
        raise ValueError(f"X and Y must be (B, n[, d]), got {shape} and {other}")
    if 0 in shape or 0 in other or shape[2:] != other[2:]:
        raise ValueError(f"X and Y must share channels, got {shape} and {other}")
    return shape[0], shape[1], other[1], shape[2] if len(shape) > 2 else 1


def mark_unusable(X: NDArray[Any], Y: NDArray[Any], out: NDArray[Any]) -> None:
    """Tell overflow, inf, from pairs that hold a NaN or an infinity, NaN."""
    # A NaN sample makes a whole row or column of D NaN; the minimum may turn that into
    # infinity at the edge of the band, but never into a number.
    for b in np.flatnonzero(~np.isfinite(out)):
        usable = np.isfinite(X[b]).all() and np.isfinite(Y[b]).all()
        out[b] = np.inf if usable else np.nan
