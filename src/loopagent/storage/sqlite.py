"""SQLite: one writer thread with group commit, a few reader threads, a write-ahead log."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

from loopagent.errors import StorageError
from loopagent.storage.database import Database
from loopagent.storage.faults import explained
from loopagent.storage.jobs import Job, Line, Outcome, deliver
from loopagent.storage.migrate import migrate

_BATCH = 256
_READERS = 4
_BUSY_MS = 5000
_CLOSE_WITHIN = 30.0
_WAL_LIMIT = 64 * 1024 * 1024  # what a burst has grown is given back to the disk


class SqliteDatabase(Database):
    """A database file. Writes that wait at the same moment share one transaction.

    Each has a savepoint of its own: one that fails harms no other. FULL synchronisation costs one
    flush per batch, and a power cut loses nothing that was answered.
    """

    def __init__(self, path: Path) -> None:
        self._place = str(path)
        _make_file(path)
        self._writer = _engine(path, "BEGIN IMMEDIATE", size=1)
        self._reader = _engine(path, "BEGIN", size=_READERS)
        try:
            with self._writer.begin() as conn:
                self.schema_version = migrate(conn)
        except Exception as error:
            self._writer.dispose()
            raise explained(error, self._place) from error
        self._writes = Line("sqlite-write", self._commit, batch=_BATCH)
        self._reads = Line("sqlite-read", self._read, threads=_READERS)

    def close(self) -> None:
        self._writes.close(_CLOSE_WITHIN)
        self._reads.close(_CLOSE_WITHIN)
        self._reader.dispose()
        # Last: the connection that closes last folds the write-ahead log into the file.
        self._writer.dispose()

    def _put_read(self, job: Job[Any]) -> None:
        self._reads.put(job)

    def _put_write(self, job: Job[Any]) -> None:
        self._writes.put(job)

    def _read(self, batch: list[Job[Any]]) -> None:
        for job in batch:
            if not job.is_abandoned:
                deliver([self._looked_up(job)])

    def _looked_up(self, job: Job[Any]) -> Outcome:
        try:
            with self._reader.connect() as conn:
                return Outcome(job, job.fn(conn))
        except Exception as error:  # noqa: BLE001  the reader's border: it belongs to the waiter
            return Outcome(job, error=explained(error, self._place))

    def _commit(self, batch: list[Job[Any]]) -> None:
        """Run a batch in one transaction; results are given out after the commit."""
        try:
            with self._writer.begin() as conn:
                outcomes = [self._changed(conn, job) for job in batch]
        except Exception as error:  # noqa: BLE001  the writer's border: the thread goes on
            failure = explained(error, self._place)
            outcomes = [Outcome(job, error=failure) for job in batch]
        deliver(outcomes)

    def _changed(self, conn: Connection, job: Job[Any]) -> Outcome:
        driver = conn.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        # Straight to the driver: these three are most of what a small write costs here.
        driver.execute("SAVEPOINT one")
        try:
            value = job.fn(conn)
        except Exception as error:
            if not driver.in_transaction:
                raise  # a full disk ends the whole transaction: nobody's change has survived
            driver.execute("ROLLBACK TO one")
            driver.execute("RELEASE one")
            return Outcome(job, error=explained(error, self._place))
        driver.execute("RELEASE one")
        return Outcome(job, value)


def _make_file(path: Path) -> None:
    """An empty file that only its owner can read: conversations are private."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StorageError(
            f"The database {path} can't be made: {error.strerror}. "
            "Make its folder writable, or choose another place with DATABASE_URL."
        ) from error


def _engine(path: Path, begin: str, *, size: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        # Transactions are begun here and not by the driver, which would do it too late.
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(driver: sqlite3.Connection, _record: object) -> None:
        driver.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        driver.execute("PRAGMA journal_mode=WAL")
        driver.execute("PRAGMA synchronous=FULL")
        driver.execute("PRAGMA temp_store=MEMORY")
        driver.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")
        if begin == "BEGIN":
            driver.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def start(conn: Connection) -> None:
        conn.exec_driver_sql(begin)

    return engine
