"""PostgreSQL: a pool of connections in threads, one transaction per function."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from loopagent.errors import ShuttingDownError, StorageError
from loopagent.storage.database import MAX_WAITING, Database, storage_error, too_many_waiting
from loopagent.storage.migrate import migrate

T = TypeVar("T")

_POOL = 8
_WAIT = 10  # seconds for a connection
_TRIES = 5
_MIGRATING = 0x10_0B_A6  # key of the advisory lock under which migrations run
_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock: running it again is the cure


class PostgresDatabase(Database):
    """A PostgreSQL database. The rows that a function changes are locked by the function."""

    def __init__(self, url: str) -> None:
        try:
            address = make_url(url).set(drivername="postgresql+psycopg")
        except ArgumentError as error:
            raise StorageError(
                "DATABASE_URL is not understood. Write postgresql://user:password@host/name."
            ) from error
        self._place = address.render_as_string(hide_password=True)
        self._engine = create_engine(
            address,
            pool_size=_POOL,
            max_overflow=0,
            pool_timeout=_WAIT,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _WAIT},
        )
        self._threads = ThreadPoolExecutor(_POOL, thread_name_prefix="postgres")
        self._waiting = threading.Semaphore(MAX_WAITING)
        self._closed = False
        try:
            with self._engine.begin() as conn:
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
                self.schema_version = migrate(conn)
        except OperationalError as error:
            self.close()
            raise StorageError(
                f"The database server {self._place} can't be used: {error.orig}. "
                "Check DATABASE_URL and that the server runs."
            ) from error
        except BaseException:
            self.close()
            raise

    def submit_read(self, fn: Callable[[Connection], T]) -> Future[T]:
        return self._submit(self._read, fn)

    def submit_write(self, fn: Callable[[Connection], T]) -> Future[T]:
        return self._submit(self._write, fn)

    def _submit(
        self, run: Callable[[Callable[[Connection], T]], T], fn: Callable[[Connection], T]
    ) -> Future[T]:
        if self._closed:
            raise ShuttingDownError("The server is ending. Try again in a moment.")
        if not self._waiting.acquire(blocking=False):
            raise too_many_waiting()
        future = self._threads.submit(run, fn)
        future.add_done_callback(lambda _: self._waiting.release())
        return future

    def _read(self, fn: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as conn:
                options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
                return fn(conn.execution_options(**options))
        except DBAPIError as error:
            raise storage_error(error, self._place) from error

    def _write(self, fn: Callable[[Connection], T]) -> T:
        for remaining in reversed(range(_TRIES)):
            try:
                with self._engine.begin() as conn:
                    return fn(conn)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _AGAIN or not remaining:
                    raise storage_error(error, self._place) from error
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown()
        self._engine.dispose()
