import numpy as np
from plants import bundle

from edge_anomaly.alarms.drift import Drift, reference_of
from edge_export.calibration.references import (
    FEWEST,
    healthy_periods,
    healthy_reference,
    longest_still,
)
from edge_export.data.recordings import Recording, Windows

LENGTH = 4  # slots of a window of the small plant


def some(rng: np.random.Generator, device: list[int], slots: list[int]) -> Windows:
    count = len(slots)
    return Windows(
        window=rng.normal(10, 1, (count, LENGTH, 2)).astype(np.float32),
        device=np.array(device, np.int64),
        slot=np.array(slots, np.int64),
        coverage=np.ones(count, np.float32),
    )


def test_windows_that_overlap_count_once_and_few_are_none() -> None:
    rng = np.random.default_rng(1)
    many = LENGTH * FEWEST
    held = some(rng, [0] * many + [1] * 8, [*range(many), *range(8)])
    score = rng.uniform(size=many + 8).astype(np.float32)
    arrays = healthy_reference(bundle().manifest, held, score, some(rng, [0, 1], [900, 900]))
    assert arrays["reference.windows"].tolist() == [FEWEST, 0]
    assert arrays["reference.edges"].shape == (2, 9, 3)
    assert arrays["reference.shares"].shape == (2, 10, 3)
    assert np.allclose(arrays["reference.shares"].sum(axis=1), 1.0)
    assert reference_of(arrays, 1) is None


def test_the_agent_finds_no_drift_in_what_the_reference_was_made_of() -> None:
    rng = np.random.default_rng(2)
    slots = list(range(0, 300 * LENGTH, LENGTH))
    held = some(rng, [0] * 300 + [1] * 300, slots * 2)
    score = np.round(rng.uniform(size=600), 2).astype(np.float32)  # many are equal
    nothing = some(rng, [], [])
    known = reference_of(healthy_reference(bundle().manifest, held, score, nothing), 0)
    assert known is not None
    drift = Drift(known, samples=300, over_ns=0, apart_ns=0)
    found = [drift.add(i, float(score[i]), held.window[i, -1]) for i in range(300)]
    assert found[-1] is not None
    assert found[-1].psi < 1e-9


def test_how_long_a_signal_reads_the_same_is_its_longest_flat_stretch() -> None:
    gap = np.nan
    values = np.array([[1, 5], [1, gap], [1, 5], [2, 5], [2, 5]], np.float32)
    times = np.array([0, 10, 20, 30, 70]) * 10**9
    whole = Recording("a", times, ("x", "y"), values)
    later = Recording("a", times[:3] + 10**12, ("x", "y"), np.array([[1, 2]] * 3, np.float32))
    other = Recording("b", times[:1], ("x", "y"), values[:1])
    found = longest_still([whole, later, other], ["a", "b", "c"])
    assert (found // 10**9).tolist() == [[40, 70], [-1, -1], [-1, -1]]


def test_the_period_of_each_signal_is_found_in_the_longest_stretch() -> None:
    rng = np.random.default_rng(3)
    t_s = np.arange(600)
    t_s[300:] += 400  # a gap
    flow = np.sin(2 * np.pi * t_s / 20) + 0.3 * rng.normal(size=600)
    table = np.stack([flow, rng.normal(size=600)], axis=1).astype(np.float32)
    table[5:9] = np.nan
    recording = Recording("c-1", t_s.astype(np.int64) * 10**9, ("flow", "temp"), table)
    periods = healthy_periods(bundle().manifest, [recording])["reference.period_slots"]
    assert abs(periods[0, 0] - 20) < 1
    assert periods[0, 1] == 0
    assert periods[1].tolist() == [0, 0]  # a device that was not recorded
