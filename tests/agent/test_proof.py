"""The parts of bench/proof, each as short as shows something. `kill -9` is in test_crashes."""

from pathlib import Path

import pytest
from brokers import make_mosquitto
from proof.broker import broker_killed, out_of_reach
from proof.disk import NoMountError, refused_disk
from proof.inside import clock_jumps
from proof.plant import DEVICES, Ledger
from proof.run import compare, killed
from proof.swaps import swapped

SEED = 5


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """What is told of a hundred slots when nothing happens."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    broker = make_mosquitto(folder)
    broker.start()
    try:
        return killed(broker.url, folder, 100, kills=0, rate=1e9, seed=SEED)[0]
    finally:
        broker.stop()


def test_a_broker_that_is_killed_loses_no_event_and_ends_with_the_right_retained_topics(
    expected: Ledger, tmp_path: Path
) -> None:
    seen, late = broker_killed(
        tmp_path / "run", 100, times=2, rate=100.0, seed=SEED, events=len(expected.events)
    )
    found = compare(seen, expected, through_broker=True)
    assert found.right, found
    assert late.states == expected.states
    assert late.statuses == ["online"]
    assert seen.in_order()
    assert seen.statuses[-1] == "stopped"


def test_what_waited_while_the_broker_was_out_of_reach_is_judged_as_if_it_had_not(
    expected: Ledger, tmp_path: Path
) -> None:
    broker = make_mosquitto(tmp_path)
    broker.start()
    try:
        seen, backlog, _ = out_of_reach(broker.url, tmp_path / "run", 100, rate=1e9, seed=SEED)
    finally:
        broker.stop()
    found = compare(seen, expected)
    assert backlog == 720
    assert found.right, found
    assert seen.in_order()
    assert seen.statuses == ["online", "offline", "online", "stopped"]


@pytest.mark.parametrize("how", ["full", "read-only"])
@pytest.mark.parametrize("on_failure", ["stop", "continue"])
def test_a_disk_that_refuses_is_told_and_the_config_says_what_then(
    tmp_path: Path, how: str, on_failure: str
) -> None:
    broker = make_mosquitto(tmp_path)
    broker.start()
    try:
        status, log, seen = refused_disk(
            broker.url, tmp_path / "run", 60, how=how, on_failure=on_failure
        )
    except NoMountError as exc:
        pytest.skip(f"no small disk can be mounted here: {exc}")
    finally:
        broker.stop()
    assert (
        "agent.db: " + {"full": "database or disk is full", "read-only": "the folder is"}[how]
        in log
    )
    assert "Traceback" not in log
    if on_failure == "stop":
        assert status == 2
        assert seen.statuses[-1] == ("offline" if how == "full" else "stopped")
    else:
        assert status is None
        assert "going on without" in log
        assert len(seen.scores) == 60 * len(DEVICES)


def test_a_clock_that_jumps_raises_no_storm_and_stops_nothing() -> None:
    [usual, *jumps] = clock_jumps(90, SEED)
    assert usual[2:] == (0, 0, 0)
    for _, events, others, _, stuck in jumps:
        assert events <= usual[1]
        assert others <= len(DEVICES)  # an alarm whose beginning was not seen begins later
        assert stuck == 0


def test_swaps_succeed_one_after_the_other(tmp_path: Path) -> None:
    broker = make_mosquitto(tmp_path)
    broker.start()
    try:
        early_mb, late_mb, count = swapped(broker.url, tmp_path / "run", 6, settled=3)
    finally:
        broker.stop()
    assert count == 6
    assert late_mb - early_mb < 20
