"""What only a PostgreSQL server can do: go away, refuse, deadlock, and take too long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import psycopg
import pytest
from sqlalchemy import Connection, insert, select, text, update

from loopagent.errors import StorageError
from loopagent.storage import postgres as room
from loopagent.storage import sessions
from loopagent.storage.database import Database
from loopagent.storage.schema import users
from tests.storage.records import a_session
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.postgres

_BREAK = text("SELECT pg_terminate_backend(pg_backend_pid())")
_AGAIN = text("DO $$ BEGIN RAISE EXCEPTION 'once more' USING ERRCODE = '40001'; END $$")


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@contextmanager
def opened(address: str) -> Iterator[Database]:
    database = Database.open(address)
    try:
        yield database
    finally:
        database.close()


def administrate(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(statement.encode())


async def works(database: Database) -> bool:
    session = a_session()
    await database.write(lambda conn: sessions.insert_row(conn, session))
    return await database.read(lambda conn: sessions.get(conn, session.id)) == session


def name_of(address: str) -> str:
    return address.rsplit("/", 1)[1]


async def test_connections_that_broke_while_idle_are_made_anew(address: str) -> None:
    with opened(address) as database:
        assert await works(database)
        administrate(
            address,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert await works(database)


async def test_a_connection_that_breaks_in_the_middle_is_told_and_leaves_nothing(
    address: str,
) -> None:
    session = a_session()

    def broken(conn: Connection) -> None:
        sessions.insert_row(conn, session)
        conn.execute(_BREAK)

    with opened(address) as database:
        for run in (database.write, database.read):
            with pytest.raises(StorageError, match="can't be reached"):
                await run(broken if run == database.write else lambda c: c.execute(_BREAK))
        assert not await database.read(lambda conn: sessions.exists(conn, session.id))
        assert await works(database)


def test_a_database_that_is_not_there_is_told(address: str) -> None:
    with pytest.raises(StorageError, match=r"Check DATABASE_URL .*does not exist"):
        Database.open(address + "_missing")


def test_a_user_who_may_not_make_tables_is_told(address: str) -> None:
    name = "weak_" + name_of(address)
    administrate(address, f"CREATE ROLE {name} LOGIN")
    with pytest.raises(StorageError, match="Grant CREATE"):
        Database.open(address.replace("postgres@", f"{name}@"))


async def test_two_that_stand_in_each_other_s_way_both_get_through(address: str) -> None:
    administrate(address, f"ALTER DATABASE {name_of(address)} SET deadlock_timeout = '50ms'")
    both_hold_one = threading.Barrier(2)
    tries: list[str] = []

    def lock(first: str, second: str, conn: Connection) -> None:
        tries.append(first)
        conn.execute(update(users).where(users.c.id == first).values(name=users.c.name + "!"))
        if len(tries) <= 2:
            both_hold_one.wait(10)
        conn.execute(update(users).where(users.c.id == second).values(name=users.c.name + "!"))

    with opened(address) as database:
        rows = [{"id": name, "name": "", "role": "user", "created_at": ""} for name in ("a", "b")]
        await database.write(lambda conn: conn.execute(insert(users), rows).rowcount)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.write, lambda conn: lock("a", "b", conn))
            tasks.start_soon(database.write, lambda conn: lock("b", "a", conn))
        names = await database.read(lambda conn: conn.execute(select(users.c.name)).scalars().all())
    assert names == ["!!", "!!"]
    assert len(tries) > 2


async def test_a_write_that_never_gets_through_is_given_up(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_PAUSE", 0.0)
    tries: list[int] = []

    def again(conn: Connection) -> None:
        tries.append(1)
        conn.execute(_AGAIN)

    with opened(address) as database:
        with pytest.raises(StorageError, match="once more"):
            await database.write(again)
        assert len(tries) == room._TRIES
        assert await works(database)


async def test_a_statement_and_a_lock_are_waited_for_within_limits(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_STATEMENT_MS", 200)
    monkeypatch.setattr(room, "_LOCK_MS", 50)
    with opened(address) as database, psycopg.connect(address) as other:
        with pytest.raises(StorageError, match="took too long"):
            await database.read(lambda conn: conn.execute(text("SELECT pg_sleep(10)")).all())
        other.execute(b"LOCK TABLE sessions")
        with pytest.raises(StorageError, match="Another program holds"):
            await works(database)
        other.rollback()
        assert await works(database)
