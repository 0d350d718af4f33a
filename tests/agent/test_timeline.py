from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import CONFIG, SECOND, START, bundle

from edge_anomaly.errors import ConfigError, PayloadError, StateError
from edge_anomaly.files.config import Config, parse
from edge_anomaly.timeline import Refused, Timeline
from edge_kernels import CROWDED, LATE, RESTARTED

Window = tuple[int, int, list[list[float]], float]  # row, slot, values (W, C), coverage
HOUR = 3600 * SECOND


def timeline(rules: Config | None = None, room: int = 4) -> Timeline:
    rules = rules or config()
    opened = bundle()
    fill = opened.calibration["fill"]
    return Timeline(opened.manifest, fill, rules.models[0], rules.inputs, room)


def with_aggregate(how: str, lateness: str = "0s") -> Config:
    return config('devices: ["c*"]', f'devices: ["c*"]\n    aggregate: {how}', lateness)


def config(old: str = "", new: str = "", lateness: str = "0s") -> Config:
    text = CONFIG.replace("lateness: 0s", f"lateness: {lateness}")
    assert old in text
    return parse(text.replace(old, new) if old else text)


def seen(steps: Iterable[int | Refused], line: Timeline) -> tuple[list[Window], list[Refused]]:
    """Windows, and readings that were not taken."""
    windows: list[Window] = []
    refused: list[Refused] = []
    for step in steps:
        if isinstance(step, Refused):
            refused.append(step)
            continue
        due = line.due
        windows += [
            (int(due.device[i]), int(due.slot[i]), due.window[i].tolist(), float(due.coverage[i]))
            for i in range(step)
        ]
    return windows, refused


def steady(line: Timeline, seconds: Iterable[int], *, column: int = 0) -> None:
    for second in seconds:
        line.add(0, column, START + second * SECOND, float(second))


def test_a_block_is_placed_like_its_samples() -> None:
    values = np.arange(24, dtype=np.float32).reshape(12, 2)
    whole, single = timeline(), timeline()
    whole.add_block(0, np.array([1, 0]), START, SECOND / 2, values)
    for i, (temp, flow) in enumerate(values.tolist()):
        single.add(0, 1, START + i * SECOND // 2, temp)
        single.add(0, 0, START + i * SECOND // 2, flow)
    now = START + HOUR
    found = seen(whole.advance(now), whole)
    assert found == seen(single.advance(now), single)
    assert len(found[0]) == 5
    assert whole.readings == single.readings == 24


def test_channels_that_arrive_one_by_one_need_the_lateness_of_a_block() -> None:
    now, n = START + HOUR, 5
    for lateness, late in ((0, 4), (5, 0)):
        line = timeline(config(lateness=f"{lateness}s"))
        for column in (0, 1):
            block = np.ones((n, 1), np.float32)
            line.add_block(0, np.array([column]), START, SECOND, block)
        _, refused = seen(line.advance(now), line)
        assert sum(one.count for one in refused if one.outcome == LATE) == late


def test_a_block_twice_is_counted_once() -> None:
    line = timeline(config(lateness="9s"))
    for _ in range(2):
        line.add_block(0, np.array([0]), START, SECOND, np.ones((5, 1), np.float32))
    _, [refused] = seen(line.advance(START + HOUR), line)
    assert (refused.count, refused.signal, refused.t_ns) == (5, "flow", START)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), 1e18, 2**22 * SECOND / 2])
def test_a_block_that_spans_no_time_or_too_much_is_refused(step: float) -> None:
    line = timeline()
    with pytest.raises(PayloadError) as caught:
        line.add_block(0, np.array([0]), START, step, np.ones((3, 1), np.float32))
    assert caught.value.code == "bad_time"
    assert seen(line.advance(START), line) == ([], [])


def test_a_block_of_a_time_that_cannot_be_is_refused() -> None:
    line = timeline()
    with pytest.raises(PayloadError, match="leave time"):
        line.add_block(0, np.array([0]), 2**62, SECOND, np.ones((3, 1), np.float32))
    assert seen(line.advance(START), line) == ([], [])


def test_what_came_before_a_block_is_placed_before_it() -> None:
    line = timeline()
    steady(line, [5])
    line.add_block(0, np.array([0]), START, SECOND, np.ones((2, 1), np.float32))
    _, refused = seen(line.advance(START + HOUR), line)
    assert [(one.outcome, one.count) for one in refused] == [(LATE, 2)]


@pytest.mark.parametrize(
    ("how", "flow", "temp"),
    [
        ("last", 6.0, 6.0),
        ("mean", 3.0, 3.0),
        ("{flow: max, temp: min}", 7.0, 0.0),
        ("{default: mean, temp: last}", 3.0, 6.0),
    ],
)
def test_several_readings_of_a_slot_become_what_the_config_says(
    how: str, flow: float, temp: float
) -> None:
    line = timeline(with_aggregate(how))
    for column in (0, 1):
        for part, value in ((0.2, 0.0), (0.1, 7.0), (0.4, 2.0), (0.9, 6.0), (0.3, 0.0)):
            line.add(0, column, START + round(part * SECOND), value)
    windows, _ = seen([*line.advance(START), *line.expire(START + HOUR)], line)
    assert windows[0][2][-1] == [flow, temp]


def test_an_aggregate_of_an_unknown_signal_is_refused() -> None:
    with pytest.raises(ConfigError, match="small has no signal 'colour'"):
        timeline(with_aggregate("{colour: max}"))


def test_a_plants_name_may_be_used_for_an_aggregate() -> None:
    rules = config(
        'devices: ["c*"]', 'devices: ["c*"]\n    signals: {FT-1: flow}\n    aggregate: {FT-1: max}'
    )
    assert timeline(rules)._grid.how.tolist() == [3, 0]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 40), st.floats(-1e6, 1e6, width=32)),
        min_size=1,
        max_size=60,
        unique_by=lambda one: one[:2],
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(["last", "mean", "min", "max"]),
)
def test_the_order_within_the_lateness_changes_no_bit(
    readings: list[tuple[int, int, float]], rng: Any, how: str
) -> None:
    """Ten readings a slot; all within the lateness."""
    found = []
    for _ in range(2):
        line = timeline(with_aggregate(how, "5s"))
        for column, tenth, value in readings:
            line.add(0, column, START + tenth * SECOND // 10, value)
        found.append(seen([*line.advance(START + HOUR), *line.expire(START + 2 * HOUR)], line))
        rng.shuffle(readings)
    assert found[0] == found[1]


def test_too_many_readings_of_a_slot_are_told() -> None:
    line = timeline(with_aggregate("mean"))
    line.add_block(0, np.array([0]), START, SECOND / 5000, np.ones((5000, 1), np.float32))
    _, [refused] = seen(line.advance(START + HOUR), line)
    assert (refused.outcome, refused.count) == (CROWDED, 904)


def test_uncertain_readings_count_against_the_coverage() -> None:
    line = timeline()
    for second in range(6):
        steady(line, [second])
        steady(line, [min(second, 4)], column=1)
    line.add_uncertain(0, 1, START + 5 * SECOND, 7.0)
    steady(line, [6])
    windows, _ = seen(line.advance(START + HOUR), line)
    assert windows[-1][2][-1] == [5.0, 7.0]
    assert windows[-1][3] == 7 / 8


def test_what_has_ended_is_held_no_longer() -> None:
    line = timeline(config("max_gap: 2s", "max_gap: 1h"))
    for second in range(6):
        steady(line, [second])
        steady(line, [second], column=1)
    line.end(0, [1])
    steady(line, range(6, 9))
    windows, _ = seen(line.advance(START + HOUR), line)
    assert [coverage for *_, coverage in windows[-3:]] == [1.0, 7 / 8, 6 / 8]


def test_skew_is_how_far_a_device_is_ahead_of_the_gateway() -> None:
    line = timeline()
    assert line.skew_ns == {}
    steady(line, [3])
    seen(line.advance(START), line)
    line.add(1, 0, START - HOUR, 1.0)
    seen(line.advance(START + SECOND), line)
    assert line.skew_ns == {"c-1": 3 * SECOND, "c/2": -HOUR - SECOND}


def test_a_clock_of_the_gateway_set_back_leaves_no_timer_stuck() -> None:
    line = timeline(config(lateness="5s"))
    line.add(0, 0, START, 1.0)
    assert seen(line.advance(START), line)[0] == []
    assert seen(line.expire(START + 2 * SECOND), line)[0] == []
    assert seen(line.expire(START + 2 * SECOND - HOUR), line)[0] == []  # an hour back
    assert len(seen(line.expire(START + 6 * SECOND - HOUR), line)[0]) == 1


def test_a_clock_set_forward_is_no_silence_once_it_is_told() -> None:
    line = timeline(config(lateness="5s"))
    line.add(0, 0, START, 1.0)
    seen(line.advance(START), line)
    line.shift(HOUR)
    assert seen(line.expire(START + HOUR + 5 * SECOND), line)[0] == []
    assert len(seen(line.expire(START + HOUR + 6 * SECOND), line)[0]) == 1


def test_a_device_whose_clock_was_set_back_begins_afresh() -> None:
    line = timeline()
    outcomes = []
    for second in [*range(100, 110), *range(20)]:
        steady(line, [second])
        arrived = START + HOUR + (second if second >= 100 else 110 + second) * SECOND
        windows, refused = seen(line.advance(arrived), line)
        outcomes += [one.outcome for one in refused]
    assert outcomes == [LATE] * 4 + [RESTARTED]
    assert windows[-1][2][-1][0] == 18.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(-8, 8)), max_size=40),
    st.integers(0, 40),
    st.sampled_from(["last", "mean", "{flow: min}"]),
)
def test_a_snapshot_goes_on_as_if_nothing_had_been(
    moves: list[tuple[int, int, int]], cut: int, how: str
) -> None:
    lines = [timeline(with_aggregate(how, "3s")) for _ in range(2)]
    found: list[list[Any]] = [[], []]
    for number, (row, column, step) in enumerate(moves):
        if number == cut:
            state = lines[1].snapshot()
            lines[1] = timeline(with_aggregate(how, "3s"))
            lines[1].restore(state)
        now = START + number * SECOND
        for line, into in zip(lines, found, strict=True):
            line.add(row, column, now + step * SECOND // 2, float(step))
            into.append(seen(line.advance(now), line))
            into.append(seen(line.expire(now), line))
    assert found[0] == found[1]
    assert lines[0].readings == lines[1].readings == len(moves)


def test_a_snapshot_of_something_else_is_refused_and_changes_nothing() -> None:
    line = timeline()
    steady(line, range(3))
    seen(line.advance(START), line)
    state = line.snapshot()
    other = timeline(config(lateness="60s")).snapshot()
    for wrong in ({}, other, state | {"grid": None}, state | {"readings": "x"}):
        with pytest.raises(StateError, match="time grid: "):
            line.restore(wrong)
    assert line.readings == 3
