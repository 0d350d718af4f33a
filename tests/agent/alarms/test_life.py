from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_anomaly.alarms.life import LIFE, TABLE, Change, Life, step, told

README = Path(__file__).parents[3] / "README.md"


def test_the_table_is_in_the_readme() -> None:
    assert TABLE in README.read_text("utf-8")


def test_every_state_can_be_reached_and_left() -> None:
    reached = {Life.NORMAL} | {following.then for following in LIFE.values()}
    assert reached == set(Life) == {state for state, _ in LIFE}


def test_an_event_is_open_exactly_between_new_and_end() -> None:
    for (state, _), following in LIFE.items():
        if following.event == "new":
            assert not state.open
        if following.event == "end":
            assert state.open
        assert following.then.open == (
            following.event == "new" or (following.event == "update" and state.open)
        )


@given(st.lists(st.sampled_from(Change)))
def test_no_order_of_changes_leads_astray(changes: list[Change]) -> None:
    state, begun, ended = Life.NORMAL, 0, 0
    for change in changes:
        following = step(state, change)
        if following is not None:
            state = following.then
            begun += following.event == "new"
            ended += following.event == "end"
        assert begun - ended == state.open


def test_only_somebody_acknowledges() -> None:
    for (state, change), following in LIFE.items():
        if following.then is Life.ACTIVE_ACK:
            assert change is Change.ACK or state is Life.ACTIVE_ACK


@pytest.mark.parametrize(
    ("covers", "word"),
    [
        ({}, "ACTIVE_UNACK"),
        ({"suppressed": True}, "SUPPRESSED"),
        ({"suppressed": True, "shelved": True}, "SHELVED"),
        ({"suppressed": True, "shelved": True, "out": True}, "OUT_OF_SERVICE"),
    ],
)
def test_covers_are_told_in_their_order(covers: dict[str, bool], word: str) -> None:
    assert told(Life.ACTIVE_UNACK, **covers) == word
    assert told(Life.LATCHED) == "CLEARED_UNACK"
