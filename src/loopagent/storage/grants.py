"""Grants: the hash of each session's stand-in for the API key, at most one row per session."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, update

from loopagent.domain.events import now
from loopagent.domain.ids import SessionId
from loopagent.storage.rows import to_text
from loopagent.storage.schema import grants


def replace(conn: Connection, session_id: SessionId, token_hash: str) -> None:
    """Note a session's new grant in place of its last one."""
    conn.execute(delete(grants).where(grants.c.session_id == session_id))
    conn.execute(
        insert(grants).values(
            token_hash=token_hash, session_id=session_id, created_at=to_text(now())
        )
    )


def revoke(conn: Connection, session_id: SessionId) -> None:
    """Note that a session's grant is dead."""
    live = (grants.c.session_id == session_id) & grants.c.revoked_at.is_(None)
    conn.execute(update(grants).where(live).values(revoked_at=to_text(now())))
