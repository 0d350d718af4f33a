"""What the stages for series with a rhythm learn, from the windows that the model learnt from.

The tables of the week are medians over a place and its neighbours, with a robust spread; forests
grow on the features that the stages before them make of healthy time.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from edge_anomaly.scoring.rhythm import place_of_week
from edge_export.calibration.fitting import Constants, Fitting
from edge_export.calibration.isolation import as_arrays, flatten, grow
from edge_kernels import forest_scores

__all__ = ["fit_features", "fit_forest", "fit_profile", "kinds_of_days", "places_of", "week"]

WEEK_NS = 7 * 86_400 * 10**9
DAYS = 7
DAY_NS = WEEK_NS // DAYS
HOURS = 24  # of a day's profile
KINDS = 4  # of days at most: weekdays, Saturdays, Sundays and odd ones
FEWEST_DAYS = 14  # below it no kinds are told apart
SEPARATE = 0.1  # silhouette below which kinds are not worth telling apart
FINEST = 2016  # places of a week: five minutes
USUAL = 672  # a quarter of an hour, where slots are finer or do not divide the week
SPREAD_FLOOR = 0.08  # of the 5th to 95th percentile: an hour in which nothing ever happens
# would turn its smallest stir into an alarm
MAD_TO_DEVIATION = 1.4826  # of a Gaussian
ENOUGH = 6  # values in a place and its neighbours, or the week is not known well enough
TREES = 200
SEED = 0
LEVELS = (0.5, 0.99)
NARROWEST = 1e-4  # of a forest's score, which lies in 0..1

Floats = NDArray[np.float32]


def places_of(period_ns: int) -> int:
    """How many places a week has for slots of `period_ns`."""
    slots, rest = divmod(WEEK_NS, period_ns)
    return slots if not rest and slots <= FINEST else USUAL


def fit_profile(fitting: Fitting) -> Constants:
    """`median` and `spread` of each place of the week, (D, H, C), scaled units.

    Where a week is not known well enough, all days count as one; where not even that, all hours.
    For people, and used by no stage: `days`, the usual profiles of each kind of day, (D, K, 24, C),
    and `share`, how many of the days are of each kind, (D, K); NaN-free, with empty kinds at 0.
    """
    manifest, batch = fitting.manifest, fitting.batch
    places = places_of(manifest.period_ns)
    place = place_of_week(batch.end_ns, 1, manifest.period_ns, places, manifest.utc_offset_minutes)[
        :, 0
    ]
    newest = fitting.tracks[:, -1].astype(np.float64)  # (N, C)
    median = np.empty((len(manifest.devices), places, newest.shape[1]), np.float32)
    spread = np.empty_like(median)
    days = np.zeros((len(manifest.devices), KINDS, HOURS, newest.shape[1]), np.float32)
    share = np.zeros(days.shape[:2], np.float32)
    local_ns = batch.end_ns - manifest.period_ns + manifest.utc_offset_minutes * 60 * 10**9
    for d in range(len(manifest.devices)):
        mine = batch.device == d
        median[d], spread[d] = week(newest[mine], place[mine], places)
        kinds, shares = kinds_of_days(newest[mine], local_ns[mine])
        days[d, : len(kinds)], share[d, : len(kinds)] = kinds, shares
    return {"median": median, "spread": spread, "days": days, "share": share}


def kinds_of_days(
    values: NDArray[np.float64], local_ns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Usual profiles of each kind of day, (K, 24, C), most frequent first, and its share, (K,).

    K-means over whole days, with as many kinds as separate best; one where none do, and none
    where no day is whole.

    Args:
        values: Healthy time, shape (n, C).
        local_ns: Local time of each, shape (n,).
    """
    day, hour = local_ns // DAY_NS, local_ns % DAY_NS * HOURS // DAY_NS
    row = day - day.min()
    total = np.zeros((int(row.max()) + 1, HOURS, values.shape[1]))
    count = np.zeros(total.shape[:2])
    np.add.at(total, (row, hour), values)
    np.add.at(count, (row, hour), 1)
    whole = (count > 0).all(axis=1)
    profiles = total[whole] / count[whole, :, np.newaxis]
    kind = _kinds(profiles.reshape(len(profiles), HOURS * values.shape[1]))
    sizes = np.bincount(kind)
    order = np.argsort(-sizes, kind="stable")[: sizes.size]
    usual = [np.median(profiles[kind == k], axis=0) for k in order]
    shape = (0, HOURS, values.shape[1])
    return np.stack(usual) if usual else np.empty(shape), sizes[order] / max(1, len(profiles))


def _kinds(profiles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which kind each day is of, (n,)."""
    best, highest = np.zeros(len(profiles), np.int64), SEPARATE
    if len(profiles) < FEWEST_DAYS or not np.ptp(profiles, axis=0).any():
        return best
    for kinds in range(2, KINDS + 1):
        kind = KMeans(kinds, n_init=4, random_state=SEED).fit_predict(profiles)
        if np.unique(kind).size == kinds:
            found = float(silhouette_score(profiles, kind))
            if found > highest:
                best, highest = kind.astype(np.int64), found
    return best


def week(values: NDArray[np.float64], place: NDArray[np.int64], places: int) -> tuple[Any, Any]:
    """Median and spread at each place of the week, both (places, C).

    Args:
        values: Healthy time, shape (n, C).
        place: Of each, shape (n,).
        places: How many there are.
    """
    low, high = np.percentile(values, [5, 95], axis=0)
    floor = np.where(high > low, SPREAD_FLOOR * (high - low), SPREAD_FLOOR)
    for cycle in (places, places // DAYS, 1):
        turn = place % cycle
        # Neighbours count as well: nothing begins on the minute.
        reach = 1 if cycle > 2 else 0  # noqa: PLR2004 - fewer have no two neighbours
        near = [
            np.flatnonzero(np.isin(turn, [(h + k) % cycle for k in range(-reach, reach + 1)]))
            for h in range(cycle)
        ]
        if min(rows.size for rows in near) >= ENOUGH or cycle == 1:
            break
    median = np.stack([np.median(values[rows], axis=0) for rows in near])
    off = [np.abs(values[rows] - median[h]) for h, rows in enumerate(near)]
    spread = np.maximum(MAD_TO_DEVIATION * np.stack([np.median(o, axis=0) for o in off]), floor)
    return np.tile(median, (places // cycle, 1)), np.tile(spread, (places // cycle, 1))


def fit_features(fitting: Fitting) -> Constants:
    """`unit`: the deviation of a healthy residual, (D, C)."""
    steps = fitting.tracks.astype(np.float64)
    unit = fitting.per_device(lambda r: r.reshape(-1, r.shape[-1]).std(axis=0), steps)
    return {"unit": np.where(unit > 0, unit, np.float32(1))}


def fit_forest(fitting: Fitting) -> Constants:
    """A forest a track, grown on all devices together, and its levels on each of them."""
    tracks = fitting.tracks
    if tracks.ndim == 2:  # noqa: PLR2004 - scores: each is a feature of its own
        tracks = tracks[:, :, np.newaxis]
    grown = [
        flatten(
            grow(
                np.ascontiguousarray(tracks[:, t]),
                trees=fitting.stage.trees or TREES,
                seed=SEED + t,
            )
        )
        for t in range(tracks.shape[1])
    ]
    scores = np.stack([-forest_scores(f, tracks[:, t]) for t, f in enumerate(grown)], axis=1)
    level = fitting.per_device(lambda s: np.quantile(s, LEVELS, axis=0).T, scores)
    level[..., 1] = np.maximum(level[..., 1], level[..., 0] + NARROWEST)
    return {**as_arrays(grown), "columns": np.array(tracks.shape[2:]), "level": level}
