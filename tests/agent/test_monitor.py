from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import CONFIG, SECOND, START, WINDOW, Expecting, bundle, config, model

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.config import Config, Input, Model, parse
from edge_anomaly.monitor import MICRO_BATCH, Judged, Monitor
from edge_anomaly.timeline import Refused
from edge_kernels import DUPLICATE, FUTURE, LATE

Reading = tuple[int, int, int, float]  # row, column, second, value


def monitor(
    rules: Config | None = None, *, smoothed: bool = True, min_coverage: float = 0.8
) -> Monitor:
    rules = rules or config()
    opened = bundle(smoothed=smoothed, min_coverage=min_coverage)
    return Monitor(opened, model(), rules.models[0], rules.inputs)


def judged(
    watching: Monitor, readings: Iterable[Reading], size: int = 1
) -> dict[str, list[Judged]]:
    """What each device's windows came to, with readings `size` at a time."""
    windows: list[Judged | Refused] = []
    for block in batched(readings, size):
        for row, column, second, value in block:
            watching.add(row, column, START + second * SECOND, value)
        windows += watching.advance(START + 1000 * SECOND)
    windows += watching.expire(START + 10**6 * SECOND)
    found: dict[str, list[Judged]] = {}
    for window in windows:
        assert isinstance(window, Judged)
        found.setdefault(window.device, []).append(window)
    return found


def batched(readings: Iterable[Reading], size: int) -> Iterable[list[Reading]]:
    whole = list(readings)
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def scores(found: Iterable[Judged]) -> list[float | None]:
    return [one.score for one in found]


def steady(*seconds: int, row: int = 0, value: float = 10.0) -> list[Reading]:
    return [(row, column, second, value) for second in seconds for column in (0, 1)]


@st.composite
def lives(draw: st.DrawFn) -> list[Reading]:
    """Two devices with gaps short and long, and signals that stay away."""
    second = 0
    readings: list[Reading] = []
    for _ in range(draw(st.integers(10, 40))):
        second += draw(st.sampled_from([1, 1, 1, 1, 2, 3, 9]))
        readings += [
            (row, column, second, 10.0 + draw(st.integers(0, 5)))
            for row in (0, 1)
            for column in (0, 1)
            if draw(st.integers(0, 9))
        ]
    return readings


@settings(max_examples=60, deadline=None)
@given(lives(), st.integers(2, 400))
def test_readings_in_blocks_of_any_size_give_the_same_scores(
    readings: list[Reading], size: int
) -> None:
    one, many = judged(monitor(), readings), judged(monitor(), readings, size)
    assert {device: scores(found) for device, found in one.items()} == {
        device: scores(found) for device, found in many.items()
    }
    for device, found in one.items():
        assert [(j.start_ns, j.end_ns, j.coverage, j.warm) for j in found] == [
            (j.start_ns, j.end_ns, j.coverage, j.warm) for j in many[device]
        ]


def test_windows_go_through_the_graph_in_micro_batches() -> None:
    rules, graph = config(), Expecting()
    watching = Monitor(bundle(), model(graph), rules.models[0], rules.inputs)
    seconds = range(3 * MICRO_BATCH)
    found = judged(watching, steady(*seconds), 10**6)
    assert len(found["c-1"]) == 3 * MICRO_BATCH
    assert max(graph.batches) <= MICRO_BATCH
    assert len(graph.batches) <= 5
    assert watching.windows == 3 * MICRO_BATCH - (WINDOW - 1)


def test_the_first_windows_are_not_scored() -> None:
    found = judged(monitor(smoothed=False), steady(*range(6)))["c-1"]
    assert scores(found) == [None, None, None, 0.0, 0.0, 0.0]
    assert [one.warm for one in found] == [False, False, False, True, True, True]
    assert found[3].start_ns == START
    assert found[3].end_ns == START + 4 * SECOND


def test_a_window_that_lacks_too_much_is_not_scored() -> None:
    readings = [*steady(*range(8)), *[(0, 0, second, 10.0) for second in range(8, 16)]]
    found = judged(monitor(smoothed=False), readings)["c-1"]
    # temp is held for two seconds, then more and more is missing.
    assert [one.coverage for one in found[8:14]] == [1, 1, 0.875, 0.75, 0.625, 0.5]
    assert [one.score is None for one in found[8:14]] == [False] * 3 + [True] * 3


def test_behind_a_gap_the_past_is_forgotten() -> None:
    spiky = [*steady(*range(8)), (0, 0, 8, 99.0), (0, 1, 8, 10.0)]
    after = range(100, 120)
    found = judged(monitor(), [*spiky, *steady(*after)])["c-1"]
    fresh = judged(monitor(), steady(*after))["c-1"]
    assert max(score for score in scores(found) if score is not None) > 1
    assert scores(found)[-len(fresh) :] == scores(fresh)


def test_a_gap_of_one_device_leaves_the_other_as_it_was() -> None:
    whole = [reading for s in range(30) for reading in steady(s, row=1, value=10.0 + s % 4)]
    broken = steady(*range(6), *range(20, 30))
    both = sorted([*whole, *broken], key=lambda reading: reading[2])
    alone = judged(monitor(), whole)["c/2"]
    for size in (1, 7, 1000):
        assert scores(judged(monitor(), both, size)["c/2"]) == scores(alone)


def test_a_score_that_is_no_number_is_none_and_passes() -> None:
    huge = 3.4e38
    readings = [*steady(*range(6)), (0, 0, 6, huge), (0, 0, 7, -huge), *steady(*range(8, 40))]
    for size in (1, 1000):
        found = scores(judged(monitor(), readings, size)["c-1"])
        assert None in found[WINDOW:]
        assert found[-1] is not None
        assert found[-1] < 1
    one, many = (judged(monitor(), readings, size)["c-1"] for size in (1, 1000))
    assert scores(one) == scores(many)


@pytest.mark.parametrize(
    ("second", "outcome"), [(3, LATE), (9, DUPLICATE), (10**6, FUTURE)], ids=range(3)
)
def test_refused_readings_are_told_with_the_first_as_example(second: int, outcome: int) -> None:
    watching = monitor()
    for reading in steady(*range(10), row=1):
        watching.add(reading[0], reading[1], START + reading[2] * SECOND, reading[3])
    list(watching.advance(START + 10 * SECOND))
    watching.add(0, 0, START + 9 * SECOND, 1.0)  # a good one before
    watching.add(1, 1, START + second * SECOND, 1.0)
    watching.add(1, 0, START + second * SECOND, 1.0)
    [refused] = [one for one in watching.advance(START + 10 * SECOND) if isinstance(one, Refused)]
    assert refused == Refused(outcome, 2, "c/2", "temp", START + second * SECOND)


def test_advancing_without_readings_does_nothing() -> None:
    assert list(monitor().advance(START)) == []


def test_only_the_devices_of_the_config_are_watched() -> None:
    watching = monitor(config('["c*"]', '["c-*"]'))
    assert (watching.row("c-1"), watching.row("c/2"), watching.row("x")) == (0, None, None)


def test_a_signal_has_its_name_of_the_plant_and_of_the_model() -> None:
    text = CONFIG.replace('devices: ["c*"]', 'devices: ["c*"]\n    signals: {FT-101: flow}')
    watching = monitor(parse(text))
    assert [watching.column(name) for name in ("FT-101", "flow", "temp", "x")] == [0, 0, 1, None]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('["c*"]', "[x-1]", r"\['x-1'\] names no device of small, which knows c-1, c/2"),
        ('["c*"]', '["c*"]\n    signals: {a: b}', "small has no signal 'b'"),
        ("lateness: 0s", "lateness: 365d", r"a lateness of 3.1536e\+07 s keeps \d+ readings"),
    ],
)
def test_a_config_that_does_not_fit_the_bundle_is_refused(
    old: str, new: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        monitor(config(old, new))


def test_the_longest_lateness_and_hold_of_the_inputs_hold() -> None:
    watch = Model(bundle="small", devices=["c*"])
    inputs = [
        Input(topic="a/{device}", lateness=config().inputs[0].lateness),
        Input(topic="b/{device}"),
    ]
    watching = Monitor(bundle(), model(), watch, inputs)
    assert watching.timeline._grid.lateness.tolist() == [2 * SECOND] * 2
    assert np.unique(watching.timeline._grid.max_gap).tolist() == [30 * SECOND]
