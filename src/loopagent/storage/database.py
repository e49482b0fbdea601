"""One door to the database: `read(fn)` and `write(fn)` run a function of a connection.

The functions are synchronous, do not commit, and live in this room beside their tables. Which
thread they run in and what a transaction costs is decided here.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from loopagent.errors import StorageError, UnavailableError

__all__ = ["Connection", "Database"]

T = TypeVar("T")

MAX_WAITING = 10_000


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
        if url.startswith(("postgresql://", "postgres://")):
            from loopagent.storage.postgres import PostgresDatabase  # noqa: PLC0415

            return PostgresDatabase(url)
        from loopagent.storage.sqlite import SqliteDatabase  # noqa: PLC0415

        return SqliteDatabase(sqlite_path(url))

    async def read(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn` in one consistent, read-only transaction."""
        return await asyncio.wrap_future(self.submit_read(fn))

    async def write(self, fn: Callable[[Connection], T]) -> T:
        """The result of `fn` once its changes are on disk; if it raises, nothing has changed.

        Cancelling the waiter does not undo the write.
        """
        return await asyncio.shield(asyncio.wrap_future(self.submit_write(fn)))

    @abstractmethod
    def submit_read(self, fn: Callable[[Connection], T]) -> Future[T]:
        """`read` for threads."""

    @abstractmethod
    def submit_write(self, fn: Callable[[Connection], T]) -> Future[T]:
        """`write` for threads."""

    @abstractmethod
    def close(self) -> None:
        """Finish what waits and let go; may be called twice. Blocks."""


def sqlite_path(url: str) -> Path:
    """The file that a `file:` or `sqlite:` URL names; raises StorageError for any other."""
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest:
        return Path(rest.removeprefix("//"))
    if scheme == "sqlite" and rest.startswith("///") and len(rest) > 3:
        return Path(rest[3:])
    raise StorageError(
        f"DATABASE_URL {_harmless(url)!r} is not understood. "
        "Write file:./data/sessions.db, sqlite:////absolute/path or postgresql://user@host/name."
    )


def _harmless(url: str) -> str:
    """The URL without a password."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return url.replace(f":{parts.password}@", ":…@")


def storage_error(error: DBAPIError, place: str) -> StorageError:
    """What a driver's error means for the person who runs the server."""
    text = str(error.orig)
    for sign, advice in _ADVICE:
        if sign in text:
            return StorageError(f"{advice.format(place=place)} ({text})")
    return StorageError(f"The database {place} failed: {text}. Look at the server's log.")


_ADVICE = (
    ("full", "No space is left for the database {place}. Free some disk space, then try again."),
    ("readonly", "The database {place} is read-only. Make file and folder writable."),
    ("not a database", "{place} is damaged or no database. Restore a backup or move it away."),
    ("malformed", "The database {place} is damaged. Restore a backup or move it away."),
    ("unable to open", "The database {place} can't be opened. Check that its folder is writable."),
    ("locked", "Another program holds the database {place}. Stop it, then try again."),
    ("disk I/O", "The disk of the database {place} fails. Check the disk and its free space."),
    ("connection", "The database server {place} can't be reached. Check DATABASE_URL."),
)


def too_many_waiting() -> UnavailableError:
    return UnavailableError("The database can't keep up. Try again in a moment.")
