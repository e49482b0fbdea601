"""Grants: one per session, worth nothing once taken back."""

from __future__ import annotations

from sqlalchemy import select

from loopagent.credentials.grants import Grants
from loopagent.domain.ids import SessionId, new_session_id
from loopagent.storage import schema
from loopagent.storage.database import Connection, Database


def rows(conn: Connection) -> list[tuple[str, bool]]:
    found = conn.execute(select(schema.grants.c.session_id, schema.grants.c.revoked_at))
    return [(row.session_id, row.revoked_at is not None) for row in found]


def hashes(conn: Connection) -> list[str]:
    return list(conn.execute(select(schema.grants.c.token_hash)).scalars())


async def test_a_token_belongs_to_its_session_until_it_is_revoked(
    grants: Grants, database: Database
) -> None:
    session_id = new_session_id()
    token = await grants.issue(session_id)
    assert token.startswith("lag_")
    assert grants.session_of(token) == session_id
    assert await database.read(rows) == [(session_id, False)]
    await grants.revoke(session_id)
    await grants.revoke(session_id)
    assert grants.session_of(token) is None
    assert await database.read(rows) == [(session_id, True)]


async def test_a_new_token_kills_the_last_one_of_its_session_alone(
    grants: Grants, database: Database
) -> None:
    session_id, other = new_session_id(), new_session_id()
    died: list[SessionId] = []
    grants.on_revoked(died.append)
    kept = await grants.issue(other)
    first = await grants.issue(session_id)
    second = await grants.issue(session_id)
    assert grants.session_of(first) is None
    assert grants.session_of(second) == session_id
    assert grants.session_of(kept) == other
    assert died == [session_id]
    assert sorted(await database.read(rows)) == sorted([(session_id, False), (other, False)])


async def test_the_database_holds_no_token(grants: Grants, database: Database) -> None:
    token = await grants.issue(new_session_id())
    stored = await database.read(hashes)
    assert len(stored) == 1
    assert token not in stored[0]
    assert token[4:] not in stored[0]


async def test_after_a_restart_old_tokens_are_dead(grants: Grants, database: Database) -> None:
    token = await grants.issue(new_session_id())
    assert Grants(database).session_of(token) is None
    assert grants.session_of("lag_invented") is None
    assert grants.session_of("\udcff") is None
