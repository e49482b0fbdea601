"""Session rows: what goes in comes out, and pages follow one another without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Connection, create_engine, func, select

from loopagent.domain.ids import LOCAL_USER, AgentId, EventId, UserId, new_rule_id, new_session_id
from loopagent.domain.rules import Rule
from loopagent.domain.session import Session
from loopagent.errors import ConflictError, InvalidRequestError, NotFoundError
from loopagent.storage import (
    asks,
    blobs,
    drafts,
    events,
    grants,
    queue,
    rules,
    search,
    sessions,
    tasks,
)
from loopagent.storage.address import server_url
from loopagent.storage.asks import Ask
from loopagent.storage.database import Database
from loopagent.storage.drafts import SavedDraft
from loopagent.storage.rules import StoredRule
from loopagent.storage.schema import metadata
from loopagent.storage.search import Text
from loopagent.storage.sessions import SessionQuery
from loopagent.storage.tasks import RunningTask
from tests.storage.conftest import KINDS
from tests.storage.records import NOON, a_row, a_session, an_agent, minute
from tests.storage.strategies import any_session
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module", params=KINDS)
def connection(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    """A plain connection to a database with our tables; fast enough for a hundred examples."""
    if request.param == "sqlite":
        path: Path = tmp_path_factory.mktemp("rows") / "sessions.db"
        url, engine = f"file:{path}", create_engine(f"sqlite:///{path}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
        engine = create_engine(server_url(url))
    Database.open(url).close()
    with engine.connect() as conn:
        yield conn
    engine.dispose()


@given(stored=any_session, changed=any_session)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_session_comes_back_as_it_was_stored(
    connection: Connection, stored: Session, changed: Session
) -> None:
    sessions.insert_row(connection, stored)
    assert sessions.get(connection, stored.id) == stored
    # The fold leaves these as they were at the beginning.
    folded = replace(
        changed,
        **{name: getattr(stored, name) for name in ("id", "owner", "environment_id", "template")},
        sdk_session_id=stored.sdk_session_id,
        created_at=stored.created_at,
    )
    sessions.save(connection, folded)
    assert sessions.get(connection, stored.id) == folded
    connection.rollback()


async def insert(database: Database, *new: Session) -> None:
    def write(conn: Connection) -> None:
        for session in new:
            sessions.insert_row(conn, session)

    await database.write(write)


async def all_pages(
    database: Database, query: SessionQuery, owner: UserId = LOCAL_USER
) -> list[list[Session]]:
    def read(conn: Connection) -> list[list[Session]]:
        found, cursor = sessions.page(conn, owner, query)
        pages = [found]
        while cursor is not None:
            found, cursor = sessions.page(conn, owner, replace(query, page=cursor))
            pages.append(found)
        return pages

    return await database.read(read)


async def ids(database: Database, **query: Any) -> list[str]:
    pages = await all_pages(database, SessionQuery(**query))
    return [session.id for found in pages for session in found]


async def test_an_unknown_session_is_not_found(database: Database) -> None:
    unknown = new_session_id()
    with pytest.raises(NotFoundError, match=unknown):
        await database.read(lambda conn: sessions.get(conn, unknown))
    with pytest.raises(NotFoundError, match=unknown):
        await database.write(lambda conn: sessions.save(conn, a_session(id=unknown)))
    assert not await database.read(lambda conn: sessions.exists(conn, unknown))


async def test_a_session_is_stored_once(database: Database) -> None:
    session = a_session()
    await insert(database, session)
    with pytest.raises(ConflictError, match="stored already"):
        await insert(database, session)
    assert await database.read(lambda conn: sessions.exists(conn, session.id))


async def test_a_locked_session_is_the_same_session(database: Database) -> None:
    session = a_session()
    await insert(database, session)
    assert await database.write(lambda conn: sessions.get(conn, session.id, lock=True)) == session


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_follow_one_another_without_gap_or_repetition(
    database: Database, order: Any
) -> None:
    # Three share a moment: the cursor has to tell them apart.
    new = [a_session(created_at=minute(min(number, 3))) for number in range(6)]
    await insert(database, *new)
    pages = await all_pages(database, SessionQuery(order=order, limit=2))
    assert [len(page) for page in pages] == [2, 2, 2]
    expected = sorted(new, key=lambda session: (session.created_at, session.id))
    if order == "desc":
        expected.reverse()
    assert [session for page in pages for session in page] == expected


async def test_a_list_shows_only_what_belongs_to_its_owner(database: Database) -> None:
    mine, theirs = a_session(), a_session(owner=UserId("user_other"))
    await insert(database, mine, theirs)
    assert await ids(database) == [mine.id]
    assert await all_pages(database, SessionQuery(), UserId("user_other")) == [[theirs]]


async def test_archived_sessions_are_shown_on_demand(database: Database) -> None:
    archived = a_session(archived_at=NOON)
    await insert(database, archived)
    assert await ids(database) == []
    assert await ids(database, include_archived=True) == [archived.id]


async def test_sessions_are_found_by_status_agent_and_time(database: Database) -> None:
    old = a_session(status="running", agent=an_agent(id=AgentId("agent_a"), version=1))
    new = a_session(created_at=minute(5), agent=an_agent(id=AgentId("agent_a"), version=2))
    await insert(database, old, new)
    assert await ids(database, statuses=("running", "terminated")) == [old.id]
    assert await ids(database, agent_id=AgentId("agent_a")) == [new.id, old.id]
    assert await ids(database, agent_id=AgentId("agent_a"), agent_version=1) == [old.id]
    assert await ids(database, agent_id=AgentId("agent_b")) == []
    assert await ids(database, created={"gt": NOON}) == [new.id]
    assert await ids(database, created={"gte": NOON, "lt": minute(5)}) == [old.id]
    assert await ids(database, created={"lte": minute(5)}) == [new.id, old.id]


@pytest.mark.parametrize("cursor", ["", "nonsense!", "bm9uc2Vuc2U", "\N{SNOWMAN}"])
async def test_a_cursor_that_is_not_ours_is_refused(database: Database, cursor: str) -> None:
    with pytest.raises(InvalidRequestError, match="Start again"):
        await database.read(lambda conn: sessions.page(conn, LOCAL_USER, SessionQuery(page=cursor)))


async def test_sessions_with_an_unfinished_turn_are_found_after_a_restart(
    database: Database,
) -> None:
    running = a_session(status="running", updated_at=minute(1))
    retrying = a_session(status="rescheduling", updated_at=minute(2))
    asking = a_session(asks=(EventId("sevt_1"),), updated_at=minute(3))
    await insert(database, asking, a_session(), retrying, a_session(status="terminated"), running)
    assert await database.read(sessions.running) == [running.id, retrying.id, asking.id]


async def test_sessions_are_counted_by_status_archived_ones_left_out(database: Database) -> None:
    running = [a_session(status="running") for _ in range(2)]
    await insert(database, *running, a_session(), a_session(archived_at=NOON))
    assert await database.read(sessions.count_by_status) == {"running": 2, "idle": 1}


def fill(conn: Connection, session: Session) -> None:
    """One row in every table that holds something of a session.

    What it has cost is not among them: that money stays spent.
    """
    event_id = EventId("sevt_" + session.id)
    sessions.insert_row(conn, session)
    events.insert_rows(conn, [a_row(session.id, 1)])
    search.add(conn, [Text(session.id, 1, event_id, "agent", "all of it")])
    blobs.put(conn, session.id, event_id, "all of it")
    drafts.save(conn, session.id, SavedDraft(event_id, "agent.message", "so far"))
    queue.push(conn, session.id, event_id, "{}", LOCAL_USER)
    grants.replace(conn, session.id, "hash of " + session.id)
    rules.put(
        conn,
        StoredRule(
            id=new_rule_id(),
            owner=LOCAL_USER,
            rule=Rule(tool="Bash", kind="exact", subject="make"),
            created_at=NOON,
            session_id=session.id,
        ),
    )
    tasks.put(
        conn,
        RunningTask(
            session_id=session.id,
            task_id="task",
            event_id=event_id,
            kind="local_bash",
            description="",
            command="make",
            parent=None,
            in_background=True,
            started_at=NOON,
        ),
    )
    asks.insert_ask(
        conn,
        Ask(
            event_id=event_id,
            session_id=session.id,
            tool="Bash",
            tool_input={},
            reason="",
            created_at=NOON,
        ),
    )


def rows_of(conn: Connection, session: Session) -> dict[str, int]:
    return {
        table.name: conn.execute(
            select(func.count()).where(table.c.session_id == session.id)
        ).scalar_one()
        for table in metadata.sorted_tables
        if "session_id" in table.c and table.name != "usage"
    }


async def test_erasing_a_session_leaves_nothing_of_it_and_all_of_others(
    database: Database,
) -> None:
    gone, other = a_session(), a_session()
    await database.write(lambda conn: fill(conn, gone))
    await database.write(lambda conn: fill(conn, other))
    before = await database.read(lambda conn: rows_of(conn, gone))
    assert set(before.values()) == {1}, "every table of a session is filled by this test"
    await database.write(lambda conn: sessions.erase(conn, gone.id))
    assert set((await database.read(lambda conn: rows_of(conn, gone))).values()) == {0}
    assert await database.read(lambda conn: rows_of(conn, other)) == before
    assert await ids(database) == [other.id]
