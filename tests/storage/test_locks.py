"""Several who want the database at once: other programs, other openers, a batch that is lost."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection

from loopagent.domain.ids import new_event_id
from loopagent.errors import StorageError
from loopagent.storage import blobs, sessions, sqlite
from loopagent.storage.database import Database
from tests.storage.records import a_session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def file_database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A file that is not waited for as long as usual."""
    monkeypatch.setattr(sqlite, "_BUSY_MS", 50)
    opened = Database.open(f"file:{path}")
    yield opened
    opened.close()


async def insert(database: Database) -> None:
    """What works again afterwards."""
    session = a_session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    assert await database.read(lambda conn: sessions.get(conn, session.id)) == session


async def together(database: Database, *writes: Callable[[Connection], Any]) -> list[object]:
    """Let writes go through as one batch; gives for each its value or its error."""
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def hold(_: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)

    results: dict[int, object] = {}

    async def write(number: int) -> None:
        try:
            results[number] = await database.write(writes[number])
        except Exception as error:  # noqa: BLE001
            results[number] = error

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, hold)
        await begun.wait()
        for number in range(len(writes)):
            tasks.start_soon(write, number)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    return [results[number] for number in range(len(writes))]


def test_many_who_open_a_new_database_at_once_make_it_once(url: str) -> None:
    start = threading.Barrier(6)

    def open_it() -> int:
        start.wait(10)
        database = Database.open(url)
        database.close()
        return database.schema_version

    with ThreadPoolExecutor(6) as threads:
        versions = [threads.submit(open_it) for _ in range(6)]
    assert len({version.result(20) for version in versions}) == 1


async def test_a_file_that_another_program_holds_is_told_and_free_again_later(
    path: Path, file_database: Database
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="Another program holds"):
        await insert(file_database)
    assert await file_database.read(sessions.running) == []
    other.execute("ROLLBACK")
    other.close()
    await insert(file_database)


async def test_an_error_that_ends_the_transaction_fails_the_whole_batch(
    file_database: Database,
) -> None:
    """SQLite does so by itself, for instance when the disk is full."""
    before, after = a_session(), a_session()

    def lose(conn: Connection) -> None:
        for _ in range(2):
            conn.exec_driver_sql(
                "INSERT OR ROLLBACK INTO users (id, name, role, created_at) "
                "VALUES ('one', 'one', 'user', '')"
            )

    results = await together(
        file_database,
        lambda conn: sessions.insert_row(conn, before),
        lose,
        lambda conn: sessions.insert_row(conn, after),
    )
    assert all(isinstance(result, Exception) for result in results)
    for session in (before, after):
        assert not await file_database.read(lambda c, s=session: sessions.exists(c, s.id))  # type: ignore[misc]
    await insert(file_database)


@contextmanager
def no_file_may_grow_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_commit_that_fails_fails_for_all_and_leaves_nothing(
    path: Path, file_database: Database
) -> None:
    small = a_session()
    log = path.with_name(path.name + "-wal")
    with no_file_may_grow_beyond(log.stat().st_size + 100_000):
        results = await together(
            file_database,
            lambda conn: sessions.insert_row(conn, small),
            lambda conn: blobs.put(conn, small.id, new_event_id(), "x" * 1_000_000),
        )
    assert [type(result) for result in results] == [StorageError, StorageError]
    assert "free space" in str(results[0])
    assert not await file_database.read(lambda conn: sessions.exists(conn, small.id))
    await insert(file_database)


async def test_a_kill_in_the_middle_of_a_write_leaves_nothing_half(
    path: Path, file_database: Database
) -> None:
    """The file as it stands while a write runs is what a killed program leaves behind."""
    await insert(file_database)
    left = path.with_name("left.db")
    session = a_session()

    def copy_in_the_middle(conn: Connection) -> None:
        sessions.insert_row(conn, session)
        for end in ("", "-wal"):
            left.with_name(left.name + end).write_bytes(
                path.with_name(path.name + end).read_bytes()
            )

    await file_database.write(copy_in_the_middle)
    again = await anyio.to_thread.run_sync(Database.open, f"file:{left}")
    assert not await again.read(lambda conn: sessions.exists(conn, session.id))
    await insert(again)
    again.close()
