import numpy as np
import pytest
from years import HOLIDAY, YEAR

from edge_export.grounds.power import DAY, TEST
from edge_export.grounds.power_faults import Fault, Kind
from edge_export.grounds.power_trial import START, Outcome, alarms, judge

FAULTS = [
    Fault(Kind.LEVEL, START + 500, START + 520),
    Fault(Kind.PHASE, START + 1500, START + 1560),
]
LABELS = np.zeros(365 * DAY, bool)
for fault in FAULTS:
    LABELS[fault.start : fault.end] = True


def score(*spans: tuple[int, int]) -> np.ndarray:
    """1 in the spans, counted from the first test day; 0 elsewhere."""
    out = np.zeros(365 * DAY)
    for start, end in spans:
        out[START + start : START + end] = 1
    return out


def judged(*spans: tuple[int, int]) -> Outcome:
    return judge(YEAR, LABELS, FAULTS, score(*spans), (0, 0.1, 0.5))


def test_an_alarm_is_two_slots_with_at_most_four_quiet_ones_between() -> None:
    above = np.zeros(60, bool)
    above[[3, 10, 11, 20, 25, 40, 46]] = True
    assert alarms(above).tolist() == [[10, 12], [20, 26]]


def test_everything_found_and_nothing_else_is_one() -> None:
    found = judged((500, 520), (1500, 1560))
    assert (found.event_f1, found.ap, found.false_alarms_per_day) == (1, 1, 0)
    assert found.found == {"level": True, "phase": True}


def test_an_alarm_within_two_hours_after_a_fault_is_right_and_later_wrong() -> None:
    assert judged((525, 530)).event_precision == 1
    late = judged((528, 540))
    assert (late.event_precision, late.event_recall) == (0, 0)
    assert late.false_alarms_per_day == pytest.approx(1 / len(TEST))


def test_alarms_on_days_off_count_neither_way() -> None:
    day_off = (HOLIDAY * DAY + 10 - START, HOLIDAY * DAY + 30 - START)
    found = judged((500, 520), day_off)
    assert (found.event_precision, found.event_recall) == (1, 0.5)
    assert found.ap == judged((500, 520)).ap


def test_one_alarm_over_two_faults_finds_both() -> None:
    assert judged((400, 1600)).event_f1 == 1


def test_silence_scores_nothing() -> None:
    found = judged()
    assert (found.event_f1, found.event_recall, found.event_precision) == (0, 0, 0)
    assert found.rows()["recall_level"] == 0
