"""Both databases: what a write promises."""

from __future__ import annotations

import anyio
import pytest
from sqlalchemy import Connection, text

from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError, ShuttingDownError, StorageError
from loopagent.storage import sessions
from loopagent.storage.database import Database
from tests.storage.records import a_session


async def new_session(database: Database) -> SessionId:
    session = a_session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    return session.id


async def test_a_failing_write_harms_no_other(database: Database) -> None:
    kept = [a_session() for _ in range(20)]
    failures: list[ValueError] = []

    def insert_and_fail(conn: Connection) -> None:
        sessions.insert_row(conn, a_session())
        raise ValueError("no")

    async def fail() -> None:
        try:
            await database.write(insert_and_fail)
        except ValueError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        for session in kept:
            tasks.start_soon(database.write, lambda conn, s=session: sessions.insert_row(conn, s))
            tasks.start_soon(fail)
    assert len(failures) == 20
    query = sessions.SessionQuery(limit=100)
    found, _ = await database.read(lambda conn: sessions.page(conn, kept[0].owner, query))
    assert {session.id for session in found} == {session.id for session in kept}


async def test_a_refused_statement_harms_no_other(database: Database) -> None:
    session = a_session()
    failures: list[LoopError] = []

    async def insert() -> None:
        try:
            await database.write(lambda conn: sessions.insert_row(conn, session))
        except LoopError as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(insert)
    assert len(failures) == 4
    assert await database.read(lambda conn: sessions.get(conn, session.id)) == session


async def test_a_cancelled_waiter_does_not_undo_its_write(database: Database) -> None:
    session = a_session()
    with anyio.move_on_after(0):
        await database.write(lambda conn: sessions.insert_row(conn, session))
    with anyio.fail_after(10):
        while not await database.read(lambda conn: sessions.exists(conn, session.id)):
            await anyio.lowlevel.checkpoint()


async def test_a_reader_can_not_write(database: Database) -> None:
    session = a_session()
    with pytest.raises(StorageError):
        await database.read(lambda conn: sessions.insert_row(conn, session))


async def test_what_was_written_is_there_after_a_new_start(url: str) -> None:
    first = Database.open(url)
    session_id = await new_session(first)
    first.close()
    first.close()
    with pytest.raises(ShuttingDownError):
        await first.read(lambda conn: sessions.get(conn, session_id))
    again = Database.open(url)
    assert (await again.read(lambda conn: sessions.get(conn, session_id))).id == session_id
    again.close()


async def test_a_broken_statement_is_a_storage_error(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(lambda conn: conn.execute(text("SELECT nothing FROM nowhere")).all())
    assert await database.read(lambda conn: conn.execute(text("SELECT 1")).scalar_one()) == 1
