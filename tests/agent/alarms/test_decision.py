import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_anomaly.alarms.decision import Hysteresis, Verdict
from edge_anomaly.errors import StateError
from edge_anomaly.files.config import Alarms, Clear, Raise
from edge_anomaly.files.duration import Duration

MARKS = {
    "-": Verdict.NOTHING,
    "R": Verdict.RAISED,
    "W": Verdict.WORSE,
    "B": Verdict.BETTER,
    "C": Verdict.CLEARED,
}
RULES = Alarms(raise_=Raise(windows=2), clear=Clear(windows=3))


def verdicts(ratios: list[float], rules: Alarms = RULES) -> str:
    machine = Hysteresis(rules)
    letters = {verdict: mark for mark, verdict in MARKS.items()}
    told = [verdict for t, ratio in enumerate(ratios) for verdict in window(machine, ratio, t)]
    return "".join(letters[verdict] for verdict in told)


def window(machine: Hysteresis, ratio: float, t: int) -> list[Verdict]:
    """What a window brings, after what the time before it brought, if anything."""
    elapsed = machine.elapse(t)
    return [*([] if elapsed is Verdict.NOTHING else [elapsed]), machine.step(ratio, t)]


@pytest.mark.parametrize(
    ("ratios", "marks"),
    [
        ([0.5, 0.9, 0.99], "---"),
        ([1.0, 1.0, 1.0], "---"),  # at the level is not above it
        ([1.1, 1.1], "-R"),
        ([1.1, 0.9, 1.1, 0.9], "----"),
        ([1.1, 1.0, 1.1, 1.1], "---R"),
        ([1.1, 1.1, 1.5, 1.9], "-R--"),
        ([1.1, 1.1, 2.0], "-RW"),
        ([1.1, 2.0, 1.1, 2.0, 9.0], "-R---"),  # raised critical already
        ([1.1, 1.1, 2.0, 1.1, 2.0], "-RW--"),  # worse is said once
        ([1.1, 1.1, 0.7, 0.7, 0.7], "-R--C"),
        ([1.1, 1.1, 0.7, 0.7, 0.8, 0.7, 0.7, 0.7], "-R-----C"),  # 0.8 is not below 0.8
        ([1.1, 1.1, 0.9, 0.9, 0.9, 0.9], "-R----"),  # between the two levels
        ([1.1, 1.1, 0.7, 0.7, 0.7, 1.1, 1.1], "-R--C-R"),
        ([1.1, 1.1, 0.7, 0.7, 0.7, 1.1, 0.5, 1.1, 1.1], "-R--C---R"),
        ([0.0, float("inf"), float("inf")], "--R"),
    ],
    ids=range(15),
)
def test_hysteresis(ratios: list[float], marks: str) -> None:
    assert verdicts(ratios) == marks


def test_one_window_is_enough_where_the_rules_say_so() -> None:
    rules = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1))
    assert verdicts([1.1, 0.7, 1.1, 2.5, 0.7], rules) == "RCRWC"


def test_a_run_begins_with_the_first_window_that_speaks() -> None:
    machine = Hysteresis(RULES)
    for t, ratio in enumerate([1.1, 0.5, 1.1, 1.1]):
        machine.step(ratio, t)
    assert (machine.active, machine.start_ns) == (True, 2)
    for t, ratio in enumerate([0.7, 0.9, 0.7, 0.7, 0.7], 10):
        machine.step(ratio, t)
    assert (machine.active, machine.end_ns) == (False, 12)


def test_severity_is_the_highest_level_that_is_reached() -> None:
    levels = {"high": 3.0, "low": 1.0, "middle": 2.0}
    for ratio, severity in ((1.5, "low"), (2.0, "middle"), (2.99, "middle"), (7.0, "high")):
        machine = Hysteresis(Alarms(raise_=Raise(windows=1), severities=levels))
        machine.step(ratio, 0)
        assert machine.severity == severity


@pytest.mark.parametrize(
    ("rules", "ratios", "marks"),
    [
        (Raise(windows=2, of=3), [1.1, 0.9, 1.1], "--R"),
        (Raise(windows=2, of=3), [1.1, 0.9, 0.9, 1.1, 1.1], "----R"),
        (Raise(windows=1, for_=Duration(2)), [1.1, 1.1, 1.1], "--R"),
        (Raise(windows=1, for_=Duration(2)), [1.1, 0.9, 1.1, 1.1, 1.1], "----R"),
        (Raise(windows=2, of=3, for_=Duration(3)), [1.1, 0.9, 1.1, 1.1, 0.9], "---R-"),
    ],
)
def test_delays_count_windows_out_of_several_and_time(
    rules: Raise, ratios: list[float], marks: str
) -> None:
    assert verdicts(ratios, Alarms(raise_=rules, clear=Clear(windows=9))) == marks


def test_an_end_may_need_time_too() -> None:
    rules = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1, for_=Duration(3)))
    assert verdicts([1.1, 0.7, 0.7, 0.9, 0.7, 0.7, 0.7, 0.7], rules) == "R------C"


def test_a_severity_falls_when_it_has_been_below_its_level_for_long_enough() -> None:
    rules = Alarms(raise_=Raise(windows=1), clear=Clear(windows=2))  # critical: 2, down at 1.6
    assert verdicts([2.1, 1.7, 1.7, 1.5, 1.7, 1.5, 1.5, 1.5, 2.1], rules) == "R-----B-W"
    assert verdicts([2.1, 0.7, 0.7], rules) == "R-C"  # and not just before the end


def naive(ratios: list[float], rules: Alarms) -> list[tuple[int, int | None]]:
    """Start and end of the events, from the whole record: None where the last one is open."""
    k, n = rules.raise_.windows, rules.raise_.of or rules.raise_.windows
    stretches: list[tuple[int, int | None, int]] = []  # start, end, last window that speaks for it
    begun, t = 0, 0
    start: int | None = None
    while t < len(ratios):
        if start is None:
            above = [i for i in range(max(begun, t - n + 1), t + 1) if ratios[i] > 1.0]
            if len(above) >= k:
                start, run = above[0], 0
        else:
            run = run + 1 if ratios[t] < rules.clear.below else 0
            if run == rules.clear.windows:
                stretches.append((start, t - run + 1, t - run))
                start, begun = None, t + 1
        t += 1
    if start is not None:
        last = max((i for i in range(len(ratios)) if ratios[i] >= rules.clear.below), default=start)
        stretches.append((start, None, max(last, start)))
    merged: list[tuple[int, int | None, int]] = []
    for one in stretches:
        if merged and one[0] - (merged[-1][1] or 0) < rules.merge_gap:
            merged[-1] = (merged[-1][0], one[1], one[2])
        else:
            merged.append(one)
    return [(start, end) for start, end, last in merged if last - start >= rules.minimum]


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.sampled_from([0.5, 0.9, 1.5]), max_size=60),
    st.tuples(st.integers(1, 3), st.integers(0, 2)),
    st.integers(1, 3),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_online_tells_the_events_of_the_whole_record(
    ratios: list[float], raised: tuple[int, int], clear: int, gap: int, minimum: int
) -> None:
    windows, more = raised
    rules = Alarms(
        raise_=Raise(windows=windows, of=windows + more),
        clear=Clear(windows=clear),
        merge_gap=Duration(gap),
        minimum=Duration(minimum),
    )
    machine = Hysteresis(rules)
    events: list[tuple[int, int | None]] = []
    for t, ratio in enumerate([*ratios, *[0.5] * 40]):
        for verdict in window(machine, ratio, t):
            if verdict is Verdict.RAISED:
                events.append((machine.start_ns, None))
            elif verdict is Verdict.CLEARED:
                events[-1] = (events[-1][0], machine.end_ns)
    assert events == naive([*ratios, *[0.5] * 40], rules)


def test_a_run_that_begins_when_the_gap_has_passed_is_an_event_of_its_own() -> None:
    rules = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1), merge_gap=Duration(1))
    machine = Hysteresis(rules)
    told = [window(machine, ratio, t) for t, ratio in enumerate([1.5, 0.5, 1.5])]
    assert told == [[Verdict.RAISED], [Verdict.NOTHING], [Verdict.CLEARED, Verdict.RAISED]]


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.5, 0.9, 1.5, 2.5]), max_size=40), st.integers(0, 40))
def test_a_machine_goes_on_from_a_snapshot(ratios: list[float], cut: int) -> None:
    rules = Alarms(raise_=Raise(windows=2, of=3), clear=Clear(windows=2), merge_gap=Duration(3))
    whole, before, after = Hysteresis(rules), Hysteresis(rules), Hysteresis(rules)
    want = [window(whole, ratio, t) for t, ratio in enumerate(ratios)]
    got = [window(before, ratio, t) for t, ratio in enumerate(ratios[:cut])]
    after.restore(before.snapshot())
    got += [window(after, ratio, t) for t, ratio in enumerate(ratios[cut:], cut)]
    assert got == want
    assert after == whole


def test_a_snapshot_outlives_a_severity_that_is_gone() -> None:
    machine = Hysteresis(Alarms(raise_=Raise(windows=1)))
    machine.step(5.0, 0)
    other = Hysteresis(Alarms(raise_=Raise(windows=1), severities={"alert": 1.0}))
    other.restore(machine.snapshot())
    assert (other.active, other.severity) == (True, "alert")
    with pytest.raises(StateError, match="colour"):
        other.restore({"colour": 1})
