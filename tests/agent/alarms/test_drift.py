from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_anomaly.alarms.drift import (
    FALSE_ALARMS,
    MATTERS,
    Drift,
    Reference,
    Shift,
    bin_shares,
    psi,
    psi_by_chance,
    reference_of,
    tenths,
)
from edge_anomaly.errors import StateError

MINUTE = 60 * 10**9


def reference(rng: np.random.Generator, signals: int = 3, windows: int = 2_000) -> Reference:
    values = rng.normal(size=(windows, 1 + signals))
    edges = tenths(values)
    return Reference(edges, bin_shares(values, edges), windows)


def watch(known: Reference, **options: Any) -> Drift:
    chosen = {"samples": 200, "over_ns": 0, "apart_ns": 0} | options
    return Drift(known, **chosen)


def compare(drift: Drift, values: Any) -> list[Shift]:
    found = [drift.add(i * MINUTE, row[0], row[1:]) for i, row in enumerate(values)]
    return [one for one in found if one is not None]


def test_the_same_distribution_is_no_shift_and_another_is() -> None:
    rng = np.random.default_rng(1)
    drift = watch(reference(rng))
    [same] = compare(drift, rng.normal(size=(200, 4)))
    assert (same.samples, same.ratio < 0.6) == (200, True)
    moved = rng.normal(size=(200, 4))
    moved[:, 2] += 1.0
    [shift] = compare(drift, moved)
    assert shift.worst == 2
    assert shift.psi > shift.limit >= MATTERS


def test_chance_exceeds_its_limit_as_seldom_as_stated() -> None:
    """Ten times the stated rate would be found; at it, a run of 20,000 has two."""
    rng = np.random.default_rng(2)
    over = trials = 0
    limit = psi_by_chance(400, 2_000, 10)
    for _ in range(10):
        then = rng.normal(size=(2_000, 10))
        edges = tenths(then)
        shares = bin_shares(then, edges)
        for _ in range(200):
            now = bin_shares(rng.normal(size=(400, 10)), edges)
            over += bool((psi(now, shares, 400, 2_000) > limit).any())
            trials += 1
    assert over / trials <= 10 * FALSE_ALARMS


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=20, max_size=80))
def test_values_that_repeat_are_compared_with_themselves(values: list[int]) -> None:
    column = np.array(values, float)[:, np.newaxis]
    edges = tenths(column)
    shares = bin_shares(column, edges)
    assert shares.sum() == pytest.approx(1.0)
    assert psi(shares, shares, column.size, column.size) == pytest.approx(0.0)


def test_a_signal_that_always_stood_still_drifts_when_it_moves() -> None:
    still = np.zeros((500, 2))
    edges = tenths(still)
    known = Reference(edges, bin_shares(still, edges), 500)
    [same] = compare(watch(known), np.zeros((200, 2)))
    assert same.psi == 0.0
    [moved] = compare(watch(known), np.tile([0.0, 1.0], (200, 1)))
    assert (moved.worst, moved.ratio > 1) == (1, True)


def test_samples_are_a_window_apart_and_last_a_day() -> None:
    rng = np.random.default_rng(3)
    drift = watch(reference(rng), apart_ns=10 * MINUTE, over_ns=24 * 60 * MINUTE)
    values = rng.normal(size=(60 * 24 * 2, 4))
    [shift] = compare(drift, values)  # 200 samples would be there after 33 hours
    assert shift.samples == 200
    drift = watch(reference(rng), samples=100, apart_ns=10 * MINUTE, over_ns=24 * 60 * MINUTE)
    assert compare(drift, values[: 60 * 24 + 1])[0].samples == 145


def test_a_restart_changes_nothing() -> None:
    rng = np.random.default_rng(4)
    known, values = reference(rng), rng.normal(size=(500, 4))
    whole, before, after = watch(known), watch(known), watch(known)
    want = compare(whole, values)
    got = compare(before, values[:300])
    after.restore(before.snapshot())
    rows = enumerate(values[300:], 300)
    got += [one for i, row in rows if (one := after.add(i * MINUTE, row[0], row[1:])) is not None]
    assert got == want
    for state in ({}, {"counts": np.zeros((2, 2)), "count": 1, "first_ns": 0, "last_ns": 0}):
        with pytest.raises(StateError, match="drift"):
            after.restore(state)


def test_a_bundle_without_a_reference_is_not_watched() -> None:
    assert reference_of({}, 0) is None
    known = reference(np.random.default_rng(5))
    arrays = {
        "reference.edges": known.edges[np.newaxis],
        "reference.shares": known.shares[np.newaxis],
        "reference.windows": np.array([0]),
    }
    assert reference_of(arrays, 0) is None
    found = reference_of(arrays | {"reference.windows": np.array([2_000])}, 0)
    assert found is not None
    assert found.windows == 2_000
