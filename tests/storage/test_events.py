"""Event rows: numbered without a gap by one writer, read in pages, never changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from loopagent.domain.ids import new_event_id, new_session_id
from loopagent.errors import ConflictError, StaleSequenceError
from loopagent.storage import events
from loopagent.storage.database import Database
from tests.storage.records import a_row, minute

SESSION = new_session_id()
ROWS = [
    a_row(SESSION, 1, "user.message"),
    a_row(SESSION, 2, "session.status_running"),
    a_row(SESSION, 3, "agent.message"),
    a_row(SESSION, 4, "loop.note"),
    a_row(SESSION, 5, "session.status_idle"),
]


@pytest.fixture
async def log(database: Database) -> Database:
    """A database with one log of five rows and another of one."""

    def fill(conn: Connection) -> None:
        events.insert_rows(conn, ROWS)
        events.insert_rows(conn, [a_row(new_session_id(), 1)])

    await database.write(fill)
    return database


async def seqs(log: Database, **asked: Any) -> list[int]:
    rows = await log.read(lambda conn: events.page(conn, SESSION, **asked))
    return [row.seq for row in rows]


async def test_a_row_comes_back_as_it_was_stored(log: Database) -> None:
    assert await log.read(lambda conn: events.page(conn, SESSION)) == ROWS
    assert await log.read(lambda conn: events.by_id(conn, SESSION, ROWS[2].id)) == ROWS[2]


async def test_an_unknown_event_is_none(log: Database) -> None:
    assert await log.read(lambda conn: events.by_id(conn, SESSION, new_event_id())) is None


async def test_an_event_of_another_session_is_a_conflict(log: Database) -> None:
    with pytest.raises(ConflictError, match="Use a new one"):
        await log.read(lambda conn: events.by_id(conn, new_session_id(), ROWS[0].id))


async def test_a_page_lies_between_its_bounds(log: Database) -> None:
    assert await seqs(log, after=1, before=5) == [2, 3, 4]
    assert await seqs(log, after=1, limit=2) == [2, 3]
    assert await seqs(log, order="desc", limit=2) == [5, 4]
    assert await seqs(log, after=5) == []


async def test_a_page_holds_only_the_types_asked_for(log: Database) -> None:
    assert await seqs(log, types=("user.message", "agent.message")) == [1, 3]
    assert await seqs(log, hidden="loop.") == [1, 2, 3, 5]
    assert await seqs(log, hidden="session.status%") == [1, 2, 3, 4, 5]


async def test_a_page_holds_only_the_times_asked_for(log: Database) -> None:
    assert await seqs(log, processed={"gt": minute(2)}) == [3, 4, 5]
    assert await seqs(log, processed={"gte": minute(2), "lt": minute(4)}) == [2, 3]
    assert await seqs(log, processed={"lte": minute(1)}) == [1]


async def test_a_second_writer_with_a_stale_number_is_refused(log: Database) -> None:
    fresh = [a_row(SESSION, 6), a_row(SESSION, 5)]
    with pytest.raises(StaleSequenceError):
        await log.write(lambda conn: events.insert_rows(conn, fresh))
    assert await seqs(log) == [1, 2, 3, 4, 5]


async def test_an_id_is_stored_once(log: Database) -> None:
    again = replace(ROWS[0], seq=6)
    with pytest.raises(ConflictError, match="of this id") as caught:
        await log.write(lambda conn: events.insert_rows(conn, [again]))
    assert not isinstance(caught.value, StaleSequenceError)
