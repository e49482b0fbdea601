"""Grants: only the hash of a token is kept."""

from __future__ import annotations

from sqlalchemy import Connection, insert, update

from loopagent.domain.events import now
from loopagent.domain.ids import SessionId
from loopagent.storage.rows import to_text
from loopagent.storage.schema import grants


def insert_grant(conn: Connection, token_hash: str, session_id: SessionId) -> None:
    """A new grant of a session."""
    conn.execute(
        insert(grants).values(
            token_hash=token_hash, session_id=session_id, created_at=to_text(now())
        )
    )


def revoke(conn: Connection, session_id: SessionId | None = None) -> None:
    """Mark a session's live grants, or all, as revoked."""
    wanted = update(grants).where(grants.c.revoked_at.is_(None))
    if session_id is not None:
        wanted = wanted.where(grants.c.session_id == session_id)
    conn.execute(wanted.values(revoked_at=to_text(now())))
