"""`kill -9` while readings pour in, on real brokers. bench/proof does it at full length."""

from pathlib import Path

from brokers import Broker
from proof.run import compare, killed

SLOTS = 150
KILLS = 4


def test_an_agent_that_is_killed_again_and_again_tells_what_an_uninterrupted_one_tells(
    broker: Broker, tmp_path: Path
) -> None:
    folders = [tmp_path / "uninterrupted", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    expected, _ = killed(broker.url, folders[0], SLOTS, kills=0, rate=1e9, seed=3)
    assert len(expected.events) > 30
    broker.stop()  # forgets the session and what is retained
    broker.start()
    seen, log = killed(broker.url, folders[1], SLOTS, kills=KILLS, rate=200.0, seed=3)
    found = compare(seen, expected)
    assert found.right, (found, log)
    assert log.count("restored;") >= 2
    assert seen.states == expected.states
    assert seen.statuses[-1] == "stopped"
