"""Where sessions stand in their owner's list: pinned, or in the trash. No event tells of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from loopagent.domain.ids import SessionId
from loopagent.storage.rows import maybe_text, to_text
from loopagent.storage.schema import sessions


def place(conn: Connection, session_id: SessionId, **moments: datetime | None) -> None:
    """Set `pinned_at` or `trashed_at`."""
    values = {name: maybe_text(moment) for name, moment in moments.items()}
    conn.execute(update(sessions).where(sessions.c.id == session_id).values(**values))


def trashed_before(conn: Connection, moment: datetime) -> list[SessionId]:
    """Sessions that have been in the trash since before a moment."""
    rows = conn.execute(select(sessions.c.id).where(sessions.c.trashed_at < to_text(moment)))
    return [SessionId(row.id) for row in rows]
