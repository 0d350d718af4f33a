import pytest

from edge_anomaly.config import Alarms, Clear, Raise
from edge_anomaly.decision import Hysteresis, Verdict

MARKS = {"-": Verdict.NOTHING, "R": Verdict.RAISED, "W": Verdict.WORSE, "C": Verdict.CLEARED}
RULES = Alarms(raise_=Raise(windows=2), clear=Clear(windows=3))


def verdicts(ratios: list[float], rules: Alarms = RULES) -> str:
    machine = Hysteresis(rules)
    letters = {verdict: mark for mark, verdict in MARKS.items()}
    return "".join(letters[machine.step(ratio, t)] for t, ratio in enumerate(ratios))


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
    assert (machine.active, machine.run_start_ns) == (True, 2)
    for t, ratio in enumerate([0.7, 0.9, 0.7, 0.7, 0.7], 10):
        machine.step(ratio, t)
    assert (machine.active, machine.run_start_ns) == (False, 12)


def test_severity_is_the_highest_level_that_is_reached() -> None:
    levels = {"high": 3.0, "low": 1.0, "middle": 2.0}
    for ratio, severity in ((1.5, "low"), (2.0, "middle"), (2.99, "middle"), (7.0, "high")):
        machine = Hysteresis(Alarms(raise_=Raise(windows=1), severities=levels))
        machine.step(ratio, 0)
        assert machine.severity == severity
