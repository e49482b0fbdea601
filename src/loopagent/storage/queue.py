"""The queue: messages that wait for their turn, in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from loopagent.domain.events import now
from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.rows import to_text
from loopagent.storage.schema import queue


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits; `body` is the wire's JSON text of its event."""

    event_id: EventId
    owner: UserId
    body: str
    created_at: datetime


def push(
    conn: Connection, session_id: SessionId, event_id: EventId, body: str, owner: UserId
) -> None:
    """Add a message at the end. Hold the session's lock: the number must not be given twice."""
    last = conn.execute(
        select(func.max(queue.c.position)).where(queue.c.session_id == session_id)
    ).scalar_one()
    conn.execute(
        insert(queue).values(
            session_id=session_id,
            position=(last or 0) + 1,
            event_id=event_id,
            owner=owner,
            body=body,
            created_at=to_text(now()),
        )
    )


def listed(conn: Connection, session_id: SessionId) -> list[QueuedMessage]:
    """All that wait, the next one first."""
    wanted = select(queue).where(queue.c.session_id == session_id).order_by(queue.c.position)
    return [_message(row) for row in conn.execute(wanted)]


def count(conn: Connection, session_id: SessionId) -> int:
    """How many wait."""
    wanted = select(func.count()).where(queue.c.session_id == session_id)
    return int(conn.execute(wanted).scalar_one())


def pop_first(conn: Connection, session_id: SessionId) -> QueuedMessage | None:
    """Take out the next one, if there is one."""
    of_session = queue.c.session_id == session_id
    row = conn.execute(
        select(queue).where(of_session).order_by(queue.c.position).limit(1)
    ).one_or_none()
    if row is None:
        return None
    conn.execute(delete(queue).where(of_session, queue.c.position == row.position))
    return _message(row)


def remove(conn: Connection, session_id: SessionId, event_id: EventId) -> None:
    """Take one out; raises NotFoundError if it doesn't wait (any more)."""
    gone = conn.execute(
        delete(queue).where(queue.c.session_id == session_id, queue.c.event_id == event_id)
    )
    if gone.rowcount == 0:
        raise NotFoundError("This message is not waiting (any more).")


def _message(row: Row[Any]) -> QueuedMessage:
    return QueuedMessage(
        EventId(row.event_id),
        UserId(row.owner),
        row.body,
        datetime.fromisoformat(row.created_at),
    )
