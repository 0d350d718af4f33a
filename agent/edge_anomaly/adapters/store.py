"""State, journal and outbox in one SQLite file. Every method is one transaction.

The journal holds the turns since a snapshot. The snapshot before the newest is kept as well,
with the turns from there on, and is what a run begins from: so scores that were said just
before a crash, and perhaps never arrived, are said again.

A file that is damaged, foreign, or of another schema is renamed, never read in part.
"""

import contextlib
import hashlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge_anomaly.errors import StoreError
from edge_anomaly.ports import Remembered
from edge_anomaly.values import Publish

__all__ = ["SCHEMA", "SqliteStore"]

log = logging.getLogger(__name__)

FILE = "agent.db"
APPLICATION = 0x45444741  # "EDGA", in the file's head
SCHEMA = 1
KEPT_ASIDE = 5  # files; older ones are deleted
_TABLES = f"""
CREATE TABLE snapshot (generation INTEGER PRIMARY KEY, state BLOB NOT NULL, sha256 BLOB NOT NULL);
CREATE TABLE journal (number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, turns BLOB NOT NULL);
CREATE TABLE outbox (number INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL,
                     qos INTEGER NOT NULL, retain INTEGER NOT NULL, correlation BLOB NOT NULL);
CREATE TABLE note (key TEXT PRIMARY KEY, value BLOB NOT NULL);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA};
"""


class SqliteStore:
    """A folder's `agent.db`, for one process at a time."""

    def __init__(self, folder: Path, *, synchronous: str = "full") -> None:
        """Open it, or begin one.

        Args:
            folder: Made where it is not there.
            synchronous: `full`: a commit outlives a loss of power; `normal`: only a crash.

        Raises:
            StoreError: The folder cannot be written, or another process has the file.
        """
        self._file = folder / FILE
        self._synchronous = synchronous
        self._generation = 0
        self.set_aside: list[str] = []  # what was found unusable, and where it is now
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreError(f"{folder}: {exc.strerror}") from exc
        self._db = self._open()

    def notes(self) -> dict[str, bytes]:
        """See `Store.notes`."""
        try:
            return dict(self._db.execute("SELECT key, value FROM note"))
        except sqlite3.Error:
            return {}  # `load` finds out and tells

    def load(self) -> Remembered:
        """See `Store.load`."""
        with self._told():
            try:
                with _damage():
                    return self._load()
            except _UnusableError as exc:
                self.begin_anew(str(exc))
                return Remembered(None, [], [], {})

    def commit(
        self, turns: bytes, added: Sequence[tuple[int, Publish]], removed: Sequence[int]
    ) -> None:
        """See `Store.commit`."""
        with self._told(), self._db:
            if turns:
                self._db.execute(
                    "INSERT INTO journal (generation, turns) VALUES (?, ?)",
                    (self._generation, turns),
                )
            self._add(added)
            self._db.executemany("DELETE FROM outbox WHERE number = ?", [(n,) for n in removed])

    def checkpoint(self, state: bytes, outbox: Sequence[tuple[int, Publish]] | None = None) -> None:
        """See `Store.checkpoint`."""
        generation = self._generation + 1
        with self._told(), self._db:
            self._db.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?)",
                (generation, state, hashlib.sha256(state).digest()),
            )
            # With an outbox given, what came before has a hole.
            kept = generation - 1 if outbox is None else generation
            self._db.execute("DELETE FROM snapshot WHERE generation < ?", (kept,))
            self._db.execute("DELETE FROM journal WHERE generation < ?", (kept,))
            if outbox is not None:
                self._db.execute("DELETE FROM outbox")
                self._add(outbox)
        self._generation = generation

    def note(self, key: str, value: bytes) -> None:
        """See `Store.note`."""
        with self._told(), self._db:
            self._db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value))

    def begin_anew(self, reason: str) -> str:
        """See `Store.begin_anew`."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        aside = self._move_aside(reason)
        self._db = self._open()
        self._generation = 0
        return aside

    def close(self) -> None:
        """See `Store.close`."""
        with self._told():
            self._db.close()

    def _add(self, items: Sequence[tuple[int, Publish]]) -> None:
        self._db.executemany(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?)",
            [(number, *item[:5]) for number, item in items],
        )

    def _load(self) -> Remembered:
        rows = self._db.execute("SELECT generation, state, sha256 FROM snapshot ORDER BY 1")
        snapshots = rows.fetchall()
        for _, state, digest in snapshots:
            if hashlib.sha256(state).digest() != digest:
                raise _UnusableError("a snapshot is damaged")
        if snapshots:
            self._generation = snapshots[-1][0]
        journal = self._db.execute("SELECT generation, turns FROM journal ORDER BY number")
        turns = journal.fetchall()
        if snapshots and turns and turns[0][0] < snapshots[0][0]:
            snapshots = []  # the first turns of all, which follow from nothing
        outbox = self._db.execute("SELECT * FROM outbox ORDER BY number").fetchall()
        return Remembered(
            state=snapshots[0][1] if snapshots else None,
            turns=[some for _, some in turns],
            outbox=[
                (number, Publish(topic, payload, qos, bool(retain), correlation))
                for number, topic, payload, qos, retain, correlation in outbox
            ],
            notes=self.notes(),
        )

    def _open(self) -> sqlite3.Connection:
        """The file, checked; a new one where there is none that can be used."""
        with self._told():
            try:
                return self._connect()
            except _UnusableError as exc:
                self._move_aside(str(exc))
                return self._connect()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._file, timeout=1.0)
        try:
            with _damage():
                # One process: no shared memory file, and another agent here is found out.
                db.execute("PRAGMA locking_mode = EXCLUSIVE")
                new = _is_new(db)
                db.execute("PRAGMA journal_mode = WAL")
                db.execute(f"PRAGMA synchronous = {self._synchronous}")
                if new:
                    db.executescript(f"BEGIN EXCLUSIVE; {_TABLES} COMMIT;")
        except (sqlite3.Error, _UnusableError):
            db.close()
            raise
        return db

    def _move_aside(self, reason: str) -> str:
        """Rename the file and what belongs to it."""
        taken = [int(file.suffix[5:]) for file in self._aside()]
        aside = self._file.with_suffix(f".kept{max(taken, default=0) + 1}")
        try:
            self._file.rename(aside)
            for tail in ("-wal", "-shm"):
                rest = Path(f"{self._file}{tail}")
                if rest.exists():
                    rest.rename(f"{aside}{tail}")
            for old in self._aside()[:-KEPT_ASIDE]:
                for file in (old, Path(f"{old}-wal"), Path(f"{old}-shm")):
                    file.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"{self._file}: cannot be set aside: {exc.strerror}") from exc
        log.error("%s: %s; kept as %s, beginning anew", self._file, reason, aside.name)
        self.set_aside.append(f"{aside}: {reason}")
        return str(aside)

    def _aside(self) -> list[Path]:
        found = [f for f in self._file.parent.glob("agent.kept*") if f.suffix[5:].isdigit()]
        return sorted(found, key=lambda file: int(file.suffix[5:]))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as exc:
            why = str(exc)
            if _code(exc) == sqlite3.SQLITE_BUSY:
                why = "another agent has it"
            elif not os.access(self._file.parent, os.W_OK):
                why = f"the folder is read-only ({exc})"
            raise StoreError(f"{self._file}: {why}") from exc


class _UnusableError(Exception):
    """The file cannot be believed."""


def _is_new(db: sqlite3.Connection) -> bool:
    """Whether nothing is in the file yet; otherwise it is ours and whole."""
    [application], [schema] = (
        db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
    )
    [tables] = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not (application or schema or tables):
        return True
    if application != APPLICATION:
        raise _UnusableError("not a file of this agent")
    if schema != SCHEMA:
        raise _UnusableError(f"of schema {schema}, this agent has {SCHEMA}")
    [found] = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise _UnusableError(found)
    return False


@contextmanager
def _damage() -> Iterator[None]:
    """SQLite's complaints about the file itself, apart from those about the disk."""
    try:
        yield
    except sqlite3.DatabaseError as exc:
        if _code(exc) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
            raise _UnusableError(str(exc)) from exc
        raise


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; the module's own errors have none."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
