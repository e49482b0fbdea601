"""Large tool output, kept aside; the event holds its beginning."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import NotFoundError
from loopagent.storage.schema import blobs


def put(conn: Connection, session_id: SessionId, event_id: EventId, body: str) -> None:
    """Keep the whole text of an event."""
    conn.execute(insert(blobs).values(session_id=session_id, event_id=event_id, body=body))


def get(conn: Connection, session_id: SessionId, event_id: EventId) -> str:
    """The whole text of an event; raises NotFoundError."""
    wanted = select(blobs.c.body).where(
        blobs.c.session_id == session_id, blobs.c.event_id == event_id
    )
    body: str | None = conn.execute(wanted).scalar_one_or_none()
    if body is None:
        raise NotFoundError(f"Event {event_id} has no output kept aside.")
    return body
