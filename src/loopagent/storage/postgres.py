"""PostgreSQL: a pool of connections in threads, one transaction per function."""

from __future__ import annotations

import random
import time
from typing import Any

import psycopg
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError

from loopagent.storage.address import server_url
from loopagent.storage.database import Database
from loopagent.storage.faults import explained
from loopagent.storage.jobs import Job, Line, Outcome, deliver
from loopagent.storage.migrate import migrate

_READERS = 4
_WRITERS = 4
_CONNECT = 10  # seconds to reach the server, unless the address says otherwise
_STATEMENT_MS = 30_000
_LOCK_MS = 10_000
_CLOSE_WITHIN = 30.0
_TRIES = 5
_PAUSE = 0.02  # seconds at most, and twice as long at each further try
_MIGRATING = 0x10_0B_A6  # key of the advisory lock under which migrations run
_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock: running it again is the cure


class PostgresDatabase(Database):
    """A PostgreSQL database. The rows that a function changes are locked by the function."""

    def __init__(self, url: str) -> None:
        address = server_url(url)
        self._place = address.set(drivername="postgresql").render_as_string(hide_password=True)
        self._engine = create_engine(
            address,
            pool_size=_READERS + _WRITERS,
            max_overflow=0,
            # A server that was restarted is noticed before a function runs, not in its middle.
            pool_pre_ping=True,
            connect_args={"connect_timeout": address.query.get("connect_timeout", _CONNECT)},
        )
        event.listen(self._engine, "connect", _set_up)
        self._reader = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        try:
            with self._engine.begin() as conn:
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
                self.schema_version = migrate(conn)
        except Exception as error:
            self._engine.dispose()
            raise explained(error, self._place) from error
        self._writes = Line("postgres-write", self._write, threads=_WRITERS)
        self._reads = Line("postgres-read", self._read, threads=_READERS)

    def close(self) -> None:
        self._writes.close(_CLOSE_WITHIN)
        self._reads.close(_CLOSE_WITHIN)
        self._engine.dispose()

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

    def _write(self, batch: list[Job[Any]]) -> None:
        deliver([self._changed(job) for job in batch])

    def _changed(self, job: Job[Any]) -> Outcome:
        tried = 0
        while True:
            tried += 1
            try:
                with self._engine.begin() as conn:
                    value = job.fn(conn)
                return Outcome(job, value)
            except Exception as error:  # noqa: BLE001  the writer's border, as above
                if tried == _TRIES or not _is_passing(error):
                    return Outcome(job, error=explained(error, self._place))
            # Two that stood in each other's way should not meet again at once.
            time.sleep(random.uniform(0, _PAUSE * 2**tried))  # noqa: S311


def _is_passing(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _AGAIN


def _set_up(driver: psycopg.Connection[Any], _record: object) -> None:
    # Set here and not by start-up options, which connection poolers refuse.
    with driver.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {_STATEMENT_MS}")
        cursor.execute(f"SET lock_timeout = {_LOCK_MS}")
    driver.commit()
