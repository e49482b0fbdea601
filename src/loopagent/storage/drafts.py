"""Drafts: the text so far of a message that is being written, saved now and then."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select

from loopagent.domain.events import now
from loopagent.domain.ids import EventId, SessionId
from loopagent.storage.rows import to_text
from loopagent.storage.schema import drafts

_OF_SESSION = drafts.c.session_id == bindparam("key")
_GET = select(drafts).where(_OF_SESSION)
_REMOVE = delete(drafts).where(_OF_SESSION)


@dataclass(frozen=True, slots=True)
class SavedDraft:
    """kind: the type of the event that is being written."""

    event_id: EventId
    kind: str
    text: str


def save(conn: Connection, session_id: SessionId, draft: SavedDraft) -> None:
    """Keep a draft in place of the session's last one."""
    remove(conn, session_id)
    conn.execute(
        insert(drafts).values(
            session_id=session_id,
            event_id=draft.event_id,
            kind=draft.kind,
            body=draft.text,
            updated_at=to_text(now()),
        )
    )


def get(conn: Connection, session_id: SessionId) -> SavedDraft | None:
    """The saved draft of a session, if there is one."""
    row = conn.execute(_GET, {"key": session_id}).one_or_none()
    return None if row is None else SavedDraft(EventId(row.event_id), row.kind, row.body)


def remove(conn: Connection, session_id: SessionId) -> None:
    """Forget the draft of a session."""
    conn.execute(_REMOVE, {"key": session_id})
