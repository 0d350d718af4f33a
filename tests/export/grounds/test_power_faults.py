import itertools
from collections import Counter

import numpy as np
import pytest
from years import YEAR

from edge_export.grounds.power import DAY, TEST
from edge_export.grounds.power_faults import CHOICE, CONFIRMATION, FaultyYear, Kind, inject

SEEDS = [CHOICE, CHOICE + 1, CONFIRMATION, CONFIRMATION + 7]
Q = YEAR.width


@pytest.fixture(params=SEEDS, scope="module")
def faulty(request: pytest.FixtureRequest) -> FaultyYear:
    return inject(YEAR, request.param)


def changed(faulty: FaultyYear) -> np.ndarray:
    """How much each slot was changed, (n,)."""
    return faulty.recording.values[:, 0].astype(float) - YEAR.values


def test_one_fault_of_each_kind_is_there(faulty: FaultyYear) -> None:
    assert Counter(fault.kind for fault in faulty.faults) == Counter(Kind)


def test_labels_are_the_faults_and_nothing_else_was_changed_a_day_around(
    faulty: FaultyYear,
) -> None:
    labels = faulty.recording.labels
    assert labels is not None
    marked = np.zeros(labels.size, bool)
    for fault in faulty.faults:
        assert labels[fault.start : fault.end].all()
        marked[fault.start : fault.end] = True
    assert (marked == labels).all()
    touched = np.abs(changed(faulty)) > 1e-3
    near = np.convolve(labels, np.ones(2 * DAY + 1), "same") > 0
    assert not (touched & ~near).any()


def test_faults_keep_a_day_apart_and_off_the_first_and_last_test_day(faulty: FaultyYear) -> None:
    spans = sorted((fault.start, fault.end) for fault in faulty.faults)
    assert all(b[0] - a[1] >= DAY for a, b in itertools.pairwise(spans))
    assert spans[0][0] >= (TEST.start + 1) * DAY
    assert spans[-1][1] <= (TEST.stop - 1) * DAY


def test_no_fault_lies_where_the_figures_do_not_look(faulty: FaultyYear) -> None:
    assert not (np.abs(changed(faulty))[YEAR.ignored] > 1e-3).any()


def test_sizes_are_those_of_the_rules(faulty: FaultyYear) -> None:
    delta = changed(faulty)
    of = {fault.kind: delta[fault.start : fault.end] for fault in faulty.faults}
    length = {kind: part.size for kind, part in of.items()}
    assert 0.25 * Q - 0.1 <= np.abs(of[Kind.LEVEL]).max() <= 0.5 * Q + 0.1
    assert 16 <= length[Kind.LEVEL] <= 48
    assert 0.3 * Q - 0.1 <= of[Kind.DRIFT].max() <= 0.6 * Q + 0.1
    assert of[Kind.DRIFT].min() >= 0.1 * Q - 0.1
    assert 3 <= np.count_nonzero(np.abs(of[Kind.SPIKES]) > 0.1) <= 8
    assert length[Kind.SPIKES] <= 24
    assert 12 <= length[Kind.FLAT] <= 48
    for kind in (Kind.PHASE, Kind.SHIFT, Kind.FREQUENCY):
        ends = of[kind][[0, -1]]
        assert (np.abs(ends) >= 0.1 * Q - 0.1).all()
        assert length[kind] <= DAY


def test_a_flat_fault_is_flat_and_a_slack_one_swings_less(faulty: FaultyYear) -> None:
    values = faulty.recording.values[:, 0]
    for fault in faulty.faults:
        now = values[fault.start : fault.end]
        if fault.kind is Kind.FLAT:
            assert now.std() < 1e-3
        if fault.kind is Kind.AMPLITUDE:
            assert now.std() < 0.45 * YEAR.values[fault.start : fault.end].std()


def test_no_load_is_negative_and_a_seed_repeats(faulty: FaultyYear) -> None:
    assert faulty.recording.values.min() >= 0
    again, other = (inject(YEAR, seed) for seed in (SEEDS[0], SEEDS[0] + 99))
    assert again.faults == inject(YEAR, SEEDS[0]).faults
    assert again.faults != other.faults


def test_the_year_itself_is_left_as_it_is() -> None:
    before = YEAR.recording.values.copy()
    inject(YEAR, 5)
    assert YEAR.recording.values.tobytes() == before.tobytes()
    assert YEAR.recording.labels is None
