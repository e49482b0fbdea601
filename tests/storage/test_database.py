"""Both databases: what a write promises, and the schema."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, MetaData, inspect, text, update

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError, ShuttingDownError, StorageError
from loopagent.eventlog.log import EventLog
from loopagent.storage import sessions
from loopagent.storage.database import Database
from loopagent.storage.schema import metadata, schema_migrations
from tests.domain import made


async def new_session(database: Database) -> SessionId:
    session = made.session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    return session.id


async def test_a_failing_write_harms_no_other(database: Database) -> None:
    kept = [made.session() for _ in range(20)]
    failures: list[ValueError] = []

    def insert_and_fail(conn: Connection) -> None:
        sessions.insert_row(conn, made.session())
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
    session = made.session()
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


async def test_sixteen_writers_of_one_log_number_it_without_a_gap(database: Database) -> None:
    session_id = await new_session(database)
    async with EventLog(database) as log:

        async def write() -> None:
            for _ in range(8):
                await log.append(session_id, [e.UserMessage(content=[e.text_block("x")])])

        async with anyio.create_task_group() as tasks:
            for _ in range(16):
                tasks.start_soon(write)
        rows = await log.page(session_id, limit=1000)
    assert [row.seq for row in rows] == list(range(1, 129))


async def test_a_cancelled_waiter_does_not_undo_its_write(database: Database) -> None:
    session = made.session()
    with anyio.move_on_after(0):
        await database.write(lambda conn: sessions.insert_row(conn, session))
    with anyio.fail_after(10):
        while not await database.read(lambda conn: sessions.exists(conn, session.id)):
            await anyio.lowlevel.checkpoint()


async def test_a_reader_can_not_write(database: Database) -> None:
    session = made.session()
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


def described(conn: Connection) -> dict[str, Any]:
    """Tables as they are: columns, nullability, keys and indexes."""
    seen = inspect(conn)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in seen.get_columns(table)
            },
            "key": seen.get_pk_constraint(table)["constrained_columns"],
            "unique": sorted(
                unique["column_names"] for unique in seen.get_unique_constraints(table)
            ),
            "indexes": {
                index["name"]: index["column_names"]
                for index in seen.get_indexes(table)
                if not index.get("duplicates_constraint")
            },
        }
        for table in seen.get_table_names()
    }


def remade(conn: Connection) -> dict[str, Any]:
    """The same for tables that are made from the schema in place of these."""
    present = MetaData()
    present.reflect(conn)
    present.drop_all(conn)
    metadata.create_all(conn)
    return described(conn)


async def test_the_migrations_end_where_the_schema_is(database: Database) -> None:
    migrated = await database.read(described)
    assert set(migrated) == set(metadata.tables)
    assert migrated == await database.write(remade)


async def test_a_newer_schema_is_refused(url: str) -> None:
    database = Database.open(url)
    newer = update(schema_migrations).values(version=9999)
    await database.write(lambda conn: conn.execute(newer).rowcount)
    database.close()
    with pytest.raises(StorageError, match="Upgrade Loop Agent"):
        Database.open(url)


async def test_a_changed_migration_is_refused(url: str) -> None:
    database = Database.open(url)
    changed = update(schema_migrations).values(checksum="another")
    await database.write(lambda conn: conn.execute(changed).rowcount)
    database.close()
    with pytest.raises(StorageError, match="Install the released version"):
        Database.open(url)


async def test_a_broken_statement_is_a_storage_error(database: Database) -> None:
    with pytest.raises(StorageError):
        await database.read(lambda conn: conn.execute(text("SELECT nothing FROM nowhere")).all())
    assert await database.read(lambda conn: conn.execute(text("SELECT 1")).scalar_one()) == 1
