"""The queue: first in, first out, and each message once."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from loopagent.domain.ids import LOCAL_USER, EventId, SessionId, new_session_id
from loopagent.errors import ConflictError, NotFoundError
from loopagent.storage import queue
from loopagent.storage.database import Database

SESSION = new_session_id()


def push(conn: Connection, *names: str, session_id: SessionId = SESSION) -> None:
    for name in names:
        queue.push(conn, session_id, EventId(name), f'"{name}"', LOCAL_USER)


async def waiting(database: Database, session_id: SessionId = SESSION) -> list[str]:
    return [item.event_id for item in await database.read(lambda c: queue.listed(c, session_id))]


async def test_messages_come_out_in_the_order_they_came_in(database: Database) -> None:
    await database.write(lambda conn: push(conn, "a", "b"))
    first = await database.write(lambda conn: queue.pop_first(conn, SESSION))
    assert first is not None
    assert (first.event_id, first.body, first.owner) == ("a", '"a"', LOCAL_USER)
    # A message that comes later never overtakes one that waits.
    await database.write(lambda conn: push(conn, "c"))
    assert await waiting(database) == ["b", "c"]


async def test_an_empty_queue_gives_nothing(database: Database) -> None:
    assert await database.write(lambda conn: queue.pop_first(conn, SESSION)) is None
    assert await database.read(lambda conn: queue.count(conn, SESSION)) == 0


async def test_each_session_has_a_queue_of_its_own(database: Database) -> None:
    other = new_session_id()
    await database.write(lambda conn: push(conn, "a", "b"))
    await database.write(lambda conn: push(conn, "c", session_id=other))
    assert await database.read(lambda conn: queue.count(conn, SESSION)) == 2
    assert await waiting(database, other) == ["c"]


async def test_a_message_waits_once(database: Database) -> None:
    await database.write(lambda conn: push(conn, "a"))
    with pytest.raises(ConflictError):
        await database.write(lambda conn: push(conn, "a"))
    assert await waiting(database) == ["a"]


async def test_a_message_can_be_taken_out_once_and_only_by_its_session(database: Database) -> None:
    await database.write(lambda conn: push(conn, "a", "b"))
    await database.write(lambda conn: queue.remove(conn, SESSION, EventId("a")))
    assert await waiting(database) == ["b"]
    with pytest.raises(NotFoundError, match="not waiting"):
        await database.write(lambda conn: queue.remove(conn, SESSION, EventId("a")))
    with pytest.raises(NotFoundError, match="not waiting"):
        await database.write(lambda conn: queue.remove(conn, new_session_id(), EventId("b")))
