"""One door to the database: `read(fn)` and `write(fn)` run a function of a connection.

The functions are synchronous, do not commit, and live in this room beside their tables. Which
thread they run in and what a transaction costs is decided behind this door.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from loopagent.errors import StorageError
from loopagent.storage.address import file_path, is_server
from loopagent.storage.jobs import Job

__all__ = ["Connection", "Database"]

T = TypeVar("T")

# Longer than any wait behind it (a lock, a busy file, a statement), which has the better words.
_WAIT = 60.0


class Database(ABC):
    """A database that is open. Safe to use from several event loops and threads."""

    schema_version: int = 0

    @classmethod
    def open(cls, url: str) -> Database:
        """The database at `url`: `file:PATH`, `sqlite:///PATH` or `postgresql://…`.

        Makes it where it is missing and brings it to the newest schema. Raises StorageError with
        the next step. Blocks: call it from a thread.
        """
        # Only the one that is needed is imported.
        if is_server(url):
            from loopagent.storage.postgres import PostgresDatabase  # noqa: PLC0415

            return PostgresDatabase(url)
        from loopagent.storage.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(file_path(url))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn` in one consistent, read-only transaction."""
        job = Job(fn)
        self._put_read(job)
        return await _result(job)

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn` once its changes are on disk; if it raises, nothing has changed.

        Cancelling the waiter does not undo the write: it happens all the same.
        """
        job = Job(fn)
        self._put_write(job)
        return await _result(job)

    @abstractmethod
    def close(self) -> None:
        """Finish what waits and let go; may be called twice. Blocks."""

    @abstractmethod
    def _put_read(self, job: Job[Any]) -> None: ...

    @abstractmethod
    def _put_write(self, job: Job[Any]) -> None: ...


async def _result(job: Job[T]) -> T:
    try:
        async with asyncio.timeout(_WAIT):
            return await job.result()
    except TimeoutError as error:
        raise StorageError(
            f"The database gave no answer within {_WAIT:.0f} seconds; a change may still come "
            "through. Check its disk or server, then look before you try again."
        ) from error
