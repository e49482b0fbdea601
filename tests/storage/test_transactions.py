"""Reads and writes beside one another: what each sees, waits for, and leaves behind."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest
from sqlalchemy import Connection, func, insert, select, text

from loopagent.domain.events import now
from loopagent.errors import InvalidRequestError, NotFoundError, ShuttingDownError, StorageError
from loopagent.storage import database as door
from loopagent.storage.database import Database
from loopagent.storage.rows import to_text
from loopagent.storage.schema import users

pytestmark = pytest.mark.usefixtures("free_loop")


def add(conn: Connection, name: str) -> str:
    conn.execute(insert(users).values(id=name, name=name, role="user", created_at=to_text(now())))
    return name


def names(conn: Connection) -> list[str]:
    return list(conn.execute(select(users.c.id).order_by(users.c.id)).scalars())


async def count(database: Database) -> int:
    return await database.read(
        lambda conn: conn.execute(select(func.count(users.c.id))).scalar_one()
    )


async def settled(database: Database, expected: int) -> None:
    """Come back once that many rows are there."""
    with anyio.fail_after(20):
        while await count(database) < expected:
            await anyio.lowlevel.checkpoint()


async def open_again(url: str) -> Database:
    return await anyio.to_thread.run_sync(Database.open, url)


async def close(database: Database) -> None:
    await anyio.to_thread.run_sync(database.close)


async def test_what_was_written_is_read_by_the_next_read(database: Database) -> None:
    assert await database.write(lambda conn: add(conn, "ann")) == "ann"
    assert await database.read(names) == ["ann"]


async def test_a_write_that_fails_leaves_nothing_behind(database: Database) -> None:
    def fail(conn: Connection) -> None:
        add(conn, "half")
        raise NotFoundError("No.")

    with pytest.raises(NotFoundError):
        await database.write(fail)
    assert await database.read(names) == []


async def test_a_write_goes_through_though_its_waiter_has_left(database: Database) -> None:
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(conn: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        add(conn, "ann")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        await begun.wait()
        tasks.cancel_scope.cancel()
    go_on.set()
    await database.write(lambda conn: add(conn, "bob"))
    # It was in the line before this one; on several threads it may end after it.
    await settled(database, 2)


async def test_a_crowd_that_leaves_in_the_middle_breaks_nothing(database: Database) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(database.write, lambda conn, n=number: add(conn, f"{n:03}"))
            tasks.start_soon(database.read, names)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await settled(database, 200)


async def test_a_read_sees_one_moment(database: Database) -> None:
    """What is written between two statements of a read does not show in the second."""
    looked, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    seen: list[list[str]] = []

    def look_twice(conn: Connection) -> None:
        seen.append(names(conn))
        loop.call_soon_threadsafe(looked.set)
        go_on.wait(10)
        seen.append(names(conn))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.read, look_twice)
        await looked.wait()
        await database.write(lambda conn: add(conn, "ann"))
        go_on.set()
    assert seen == [[], []]
    assert await database.read(names) == ["ann"]


async def test_text_that_no_database_can_hold_is_the_sender_s_fault(database: Database) -> None:
    with pytest.raises(InvalidRequestError, match="can't be stored"):
        await database.write(lambda conn: add(conn, "half a pair \ud83d"))
    assert await database.write(lambda conn: add(conn, "ann")) == "ann"


async def test_a_statement_that_makes_no_sense_is_reported_and_harms_nobody(
    database: Database,
) -> None:
    for run in (database.read, database.write):
        with pytest.raises(StorageError, match="server's log"):
            await run(lambda conn: conn.execute(text("SELECT nothing FROM nowhere")))
    assert await database.write(lambda conn: add(conn, "ann")) == "ann"


def test_event_loops_and_threads_may_use_it_one_after_the_other_and_at_once(url: str) -> None:
    database = Database.open(url)

    async def write(name: str) -> None:
        for number in range(5):
            await database.write(lambda conn: add(conn, f"{name} {number}"))  # noqa: B023

    asyncio.run(write("first"))
    threads = [
        threading.Thread(target=lambda name=name: asyncio.run(write(name))) for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    async def everything() -> int:
        return await count(database)

    assert asyncio.run(everything()) == 15
    database.close()


async def test_closing_finishes_what_waits_and_takes_nothing_new(url: str) -> None:
    database = await open_again(url)
    go_on = threading.Event()

    def slow(conn: Connection) -> None:
        go_on.wait(10)
        add(conn, "00")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(database.write, slow)
        for number in range(1, 20):
            tasks.start_soon(database.write, lambda conn, n=number: add(conn, f"{n:02}"))
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(close, database)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    for run in (database.read, database.write):
        with pytest.raises(ShuttingDownError):
            await run(names)
    await close(database)
    again = await open_again(url)
    assert await again.read(names) == [f"{number:02}" for number in range(20)]
    await close(again)


async def test_an_open_database_leaves_no_thread_behind(url: str) -> None:
    before = threading.active_count()
    database = await open_again(url)
    await database.read(names)
    await close(database)
    assert threading.active_count() <= before + 1  # the thread that opened it may linger


async def test_a_wait_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_WAIT", 0.05)
    go_on = threading.Event()
    try:
        for run in (database.read, database.write):
            with pytest.raises(StorageError, match="gave no answer"):
                await run(lambda _: go_on.wait(10))
    finally:
        go_on.set()
