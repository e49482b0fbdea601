"""SQLite: one writer thread with group commit, a few reader threads, a write-ahead log."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from loopagent.errors import ShuttingDownError, StorageError
from loopagent.storage.database import MAX_WAITING, Database, storage_error, too_many_waiting
from loopagent.storage.migrate import migrate

T = TypeVar("T")

_BATCH = 256
_READERS = 4
_BUSY_MS = 5000


@dataclass(slots=True)
class _Job:
    fn: Callable[[Connection], Any]
    future: Future[Any]


class SqliteDatabase(Database):
    """A database file. Writes that wait at the same moment share one transaction.

    Each has a savepoint of its own: one that fails harms no other. FULL synchronisation costs one
    flush per batch, and a power cut loses nothing that was answered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = self._make_engine()
        self._jobs: queue.Queue[_Job | None] = queue.Queue(MAX_WAITING)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-read")
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = self._engine.connect()
            self.schema_version = self._prepare(writer)
        except OSError as error:
            raise StorageError(
                f"The folder {path.parent} can't be made: {error.strerror}. "
                "Choose another place with DATABASE_URL."
            ) from error
        except DBAPIError as error:
            raise storage_error(error, str(path)) from error
        self._thread = threading.Thread(
            target=self._write_all, args=(writer,), name="sqlite-write", daemon=True
        )
        self._thread.start()

    def _make_engine(self) -> Engine:
        engine = create_engine(
            f"sqlite:///{self._path}",
            poolclass=NullPool,
            # Transactions are begun here, by BEGIN IMMEDIATE, and not by the driver.
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def set_up(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA temp_store=MEMORY")

        return engine

    def _prepare(self, writer: Connection) -> int:
        try:
            writer.exec_driver_sql("PRAGMA journal_mode=WAL")
            writer.exec_driver_sql("BEGIN IMMEDIATE")
            version = migrate(writer)
            writer.exec_driver_sql("COMMIT")
        except BaseException:
            _roll_back(writer)
            writer.close()
            raise
        return version

    # -- reading ----------------------------------------------------------------------------

    def submit_read(self, fn: Callable[[Connection], T]) -> Future[T]:
        if self._closed:
            raise ShuttingDownError("The server is ending. Try again in a moment.")
        return self._readers.submit(self._read, fn)

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            conn = self._reader()
            conn.exec_driver_sql("BEGIN")
            try:
                return fn(conn)
            finally:
                _roll_back(conn)
        except DBAPIError as error:
            raise storage_error(error, str(self._path)) from error

    def _reader(self) -> Connection:
        conn: Connection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = self._engine.connect()
            conn.exec_driver_sql("PRAGMA query_only=ON")
            self._local.connection = conn
            self._reading.append(conn)
        return conn

    # -- writing ----------------------------------------------------------------------------

    def submit_write(self, fn: Callable[[Connection], T]) -> Future[T]:
        if self._closed:
            raise ShuttingDownError("The server is ending. Try again in a moment.")
        future: Future[T] = Future()
        try:
            self._jobs.put_nowait(_Job(fn, future))
        except queue.Full:
            raise too_many_waiting() from None
        return future

    def _write_all(self, conn: Connection) -> None:
        ended = False
        while not ended:
            batch = [self._jobs.get()]
            with contextlib.suppress(queue.Empty):
                while batch[-1] is not None and len(batch) < _BATCH:
                    batch.append(self._jobs.get_nowait())
            ended = batch[-1] is None
            jobs = [job for job in batch if job is not None]
            if jobs:
                self._commit(conn, jobs)
        conn.close()

    def _commit(self, conn: Connection, batch: list[_Job]) -> None:
        """Run a batch in one transaction; results are given out after the commit."""
        try:
            conn.exec_driver_sql("BEGIN IMMEDIATE")
            outcomes = [self._run(conn, job) for job in batch]
            conn.exec_driver_sql("COMMIT")
        except BaseException as error:  # noqa: BLE001  the writer's border: the thread goes on
            _roll_back(conn)
            failure = _named(error, self._path)
            outcomes = [(job, None, failure) for job in batch]
        for job, value, problem in outcomes:
            if problem is not None:
                job.future.set_exception(problem)
            else:
                job.future.set_result(value)

    def _run(self, conn: Connection, job: _Job) -> tuple[_Job, Any, BaseException | None]:
        conn.exec_driver_sql("SAVEPOINT one")
        try:
            value = job.fn(conn)
        except Exception as error:  # noqa: BLE001  whatever it is belongs to the caller
            # A full disk ends the whole transaction: then this raises and the batch fails.
            conn.exec_driver_sql("ROLLBACK TO one")
            conn.exec_driver_sql("RELEASE one")
            return job, None, _named(error, self._path)
        conn.exec_driver_sql("RELEASE one")
        return job, value, None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join(30)
        self._readers.shutdown()
        for conn in self._reading:
            conn.close()
        self._engine.dispose()


def _named(error: BaseException, path: Path) -> BaseException:
    return storage_error(error, str(path)) if isinstance(error, DBAPIError) else error


def _roll_back(conn: Connection) -> None:
    with contextlib.suppress(DBAPIError):
        conn.exec_driver_sql("ROLLBACK")
