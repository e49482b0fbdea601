"""What is kept beside the log: the draft of a message, large output, and the hash of a grant."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, select

from loopagent.domain.ids import new_event_id, new_session_id
from loopagent.errors import NotFoundError
from loopagent.storage import blobs, drafts, grants
from loopagent.storage import schema as tables
from loopagent.storage.database import Database
from loopagent.storage.drafts import SavedDraft

SESSION = new_session_id()
EVENT = new_event_id()


async def test_a_session_has_one_draft_the_newest(database: Database) -> None:
    older = SavedDraft(new_event_id(), "agent.thinking", "hm")
    newer = SavedDraft(EVENT, "agent.message", "so far\nand ß on")
    await database.write(lambda conn: drafts.save(conn, SESSION, older))
    await database.write(lambda conn: drafts.save(conn, SESSION, newer))
    assert await database.read(lambda conn: drafts.get(conn, SESSION)) == newer
    assert await database.read(lambda conn: drafts.get(conn, new_session_id())) is None
    await database.write(lambda conn: drafts.remove(conn, SESSION))
    assert await database.read(lambda conn: drafts.get(conn, SESSION)) is None


async def test_large_output_is_kept_whole_and_found_by_its_session(database: Database) -> None:
    body = "line ß\n" * 100_000
    await database.write(lambda conn: blobs.put(conn, SESSION, EVENT, body))
    assert await database.read(lambda conn: blobs.get(conn, SESSION, EVENT)) == body
    with pytest.raises(NotFoundError, match="kept aside"):
        await database.read(lambda conn: blobs.get(conn, new_session_id(), EVENT))


async def test_a_session_has_one_grant_and_a_revoked_one_stays_revoked(database: Database) -> None:
    def live(conn: Connection) -> list[tuple[str, bool]]:
        rows = conn.execute(select(tables.grants))
        return [(row.token_hash, row.revoked_at is None) for row in rows]

    await database.write(lambda conn: grants.replace(conn, SESSION, "first"))
    await database.write(lambda conn: grants.replace(conn, SESSION, "second"))
    assert await database.read(live) == [("second", True)]
    await database.write(lambda conn: grants.revoke(conn, new_session_id()))
    assert await database.read(live) == [("second", True)]
    await database.write(lambda conn: grants.revoke(conn, SESSION))
    assert await database.read(live) == [("second", False)]
