import shutil
import sqlite3
from pathlib import Path

import pytest

from edge_anomaly.adapters.store import SCHEMA, SqliteStore
from edge_anomaly.errors import StoreError
from edge_anomaly.ports import Remembered
from edge_anomaly.values import Publish

EVENT = Publish("a/event", b"\x00{}", 1, correlation=b"\xff")
CLEARED = Publish("a/device/c-1/state", b"", 1, retain=True)


def kept(folder: Path) -> Remembered:
    """What is there for the next run."""
    store = SqliteStore(folder)
    try:
        return store.load()
    finally:
        store.close()


def test_a_new_folder_holds_nothing(tmp_path: Path) -> None:
    assert kept(tmp_path / "made" / "for us") == Remembered(None, [], [], {})


def test_what_is_committed_is_there_for_the_next_run(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    store.commit(b"one", [(1, EVENT), (2, CLEARED)], [])
    store.commit(b"two", [(3, EVENT)], [1])
    store.note("filters", b"[]")
    store.note("filters", b"[1]")
    store.commit(b"", [], [2])
    # What a crash leaves: nothing has been closed.
    left = shutil.copytree(tmp_path, tmp_path / "left")
    store.close()
    assert kept(left) == Remembered(None, [b"one", b"two"], [(3, EVENT)], {"filters": b"[1]"})


def test_the_run_begins_from_the_snapshot_before_the_newest(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    found = []
    for number in range(4):
        store.commit(b"turns %d" % number, [(number, EVENT)], [])
        store.checkpoint(b"state %d" % number)
        found.append(kept_by(store))
    assert found[0] == (None, [b"turns 0"])  # the first turns follow from nothing
    assert found[1] == (b"state 0", [b"turns 1"])
    assert found[3] == (b"state 2", [b"turns 3"])
    store.commit(b"last", [], [])
    store.close()
    back = kept(tmp_path)
    assert (back.state, back.turns) == (b"state 2", [b"turns 3", b"last"])
    assert len(back.outbox) == 4


def kept_by(store: SqliteStore) -> tuple[bytes | None, list[bytes]]:
    found = store.load()
    return found.state, found.turns


def test_a_snapshot_that_mends_a_hole_stands_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    store.checkpoint(b"before")
    store.commit(b"turns", [(1, EVENT)], [])
    store.checkpoint(b"after", [(5, CLEARED)])
    store.close()
    assert kept(tmp_path) == Remembered(b"after", [], [(5, CLEARED)], {})


def test_generations_go_on_after_a_restart(tmp_path: Path) -> None:
    for number in range(3):
        store = SqliteStore(tmp_path)
        store.load()
        store.checkpoint(b"state %d" % number)
        store.commit(b"turns %d" % number, [], [])
        store.close()
    assert kept(tmp_path)[:2] == (b"state 1", [b"turns 1", b"turns 2"])


def spoil_snapshot(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("UPDATE snapshot SET state = x'00' WHERE generation = 1")
    db.close()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def scribble(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:8192] = b"\xaa" * 4096
    file.write_bytes(content)


def make_foreign(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE things (a)")
    db.close()


def of_schema(number: int) -> str:
    return f"PRAGMA user_version = {number}"


def make_older(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute(of_schema(SCHEMA - 1))
    db.close()


def make_newer(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute(of_schema(SCHEMA + 1))
    db.close()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (spoil_snapshot, "a snapshot is damaged"),
        (cut, "malformed"),
        (scribble, ""),
        (make_foreign, "not a file of this agent"),
        (make_older, f"of schema {SCHEMA - 1}, this agent has {SCHEMA}"),
        (make_newer, f"of schema {SCHEMA + 1}, this agent has {SCHEMA}"),
        (lambda file: file.write_bytes(b"plant.yaml, saved to the wrong place"), "not a database"),
    ],
)
def test_a_file_that_cannot_be_believed_is_kept_aside_whole(
    tmp_path: Path, spoil: object, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    store.checkpoint(bytes(20_000))
    store.commit(b"turns", [(1, EVENT)], [])
    store.checkpoint(bytes(20_000))
    store.close()
    file = tmp_path / "agent.db"
    assert callable(spoil)
    spoil(file)
    content = file.read_bytes()
    store = SqliteStore(tmp_path)
    assert store.load() == Remembered(None, [], [], {})  # nothing of it is used
    assert (tmp_path / "agent.kept1").read_bytes() == content
    [told] = store.set_aside
    assert why in told
    assert "kept as agent.kept1, beginning anew" in caplog.text
    store.commit(b"anew", [], [])
    store.close()
    assert kept(tmp_path).turns == [b"anew"]


def test_of_many_files_kept_aside_the_newest_stay(tmp_path: Path) -> None:
    for _ in range(8):
        (tmp_path / "agent.db").write_bytes(b"nonsense that is long enough to be looked at")
        SqliteStore(tmp_path).close()
    names = sorted(file.name for file in tmp_path.glob("agent.kept*"))
    assert names == [f"agent.kept{number}" for number in (4, 5, 6, 7, 8)]


def test_a_state_that_does_not_fit_is_kept_aside_on_request(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    store.checkpoint(b"of another version")
    assert store.begin_anew("it does not fit") == str(tmp_path / "agent.kept1")
    assert store.load() == Remembered(None, [], [], {})
    store.close()


def test_two_agents_cannot_share_a_folder(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreError, match=r"agent\.db: another agent has it"):
        SqliteStore(tmp_path)
    store.close()
    assert not list(tmp_path.glob("agent.kept*"))
    SqliteStore(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file/state: Not a directory"):
        SqliteStore(tmp_path / "file" / "state")


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.load()
    store.commit(b"before", [(1, EVENT)], [])
    store._db.execute("PRAGMA max_page_count = 20")  # SQLite's own way of a disk that is full
    with pytest.raises(StoreError, match="full"):
        store.commit(bytes(200_000), [(2, EVENT)], [1])
    with pytest.raises(StoreError, match="full"):
        store.checkpoint(bytes(200_000))
    store.commit(b"after", [], [])
    store.close()
    back = kept(tmp_path)
    assert (back.turns, back.outbox) == ([b"before", b"after"], [(1, EVENT)])
