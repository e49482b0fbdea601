"""The queue: messages that wait for their turn, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from loopagent.domain.events import UserMessage, now
from loopagent.domain.ids import EventId, SessionId, UserId
from loopagent.errors import NotFoundError
from loopagent.storage.rows import to_text
from loopagent.storage.schema import queue

_GONE = "This message is not waiting (any more)."


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits; `body` is the wire's JSON text of its event."""

    event_id: EventId
    owner: UserId
    body: str
    created_at: datetime

    @property
    def message(self) -> UserMessage:
        return UserMessage.model_validate_json(self.body)


def push(
    conn: Connection, session_id: SessionId, event_id: EventId, body: str, owner: UserId
) -> None:
    """Add a message at the end. Hold the session's lock: the number must not be given twice."""
    conn.execute(
        insert(queue).values(
            session_id=session_id,
            position=_last(conn, session_id) + 1,
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


def find(conn: Connection, session_id: SessionId, event_id: EventId) -> QueuedMessage:
    """One that waits; raises NotFoundError if it doesn't (any more)."""
    row = conn.execute(select(queue).where(_one(session_id, event_id))).one_or_none()
    if row is None:
        raise NotFoundError(_GONE)
    return _message(row)


def remove(conn: Connection, session_id: SessionId, event_id: EventId) -> None:
    """Take one out; raises NotFoundError if it doesn't wait (any more)."""
    if conn.execute(delete(queue).where(_one(session_id, event_id))).rowcount == 0:
        raise NotFoundError(_GONE)


def rewrite(conn: Connection, session_id: SessionId, event_id: EventId, body: str) -> None:
    """Change the text of one that waits, in its place."""
    conn.execute(update(queue).where(_one(session_id, event_id)).values(body=body))


def arrange(conn: Connection, session_id: SessionId, order: Sequence[EventId]) -> None:
    """Put those that wait into this order, which must name them all. Hold the session's lock."""
    first = _last(conn, session_id) + 1
    change = update(queue).where(
        queue.c.session_id == session_id, queue.c.event_id == bindparam("name")
    )
    places = [{"name": event_id, "position": first + place} for place, event_id in enumerate(order)]
    if places:
        conn.execute(change, places)


def _last(conn: Connection, session_id: SessionId) -> int:
    last = select(func.max(queue.c.position)).where(queue.c.session_id == session_id)
    return conn.execute(last).scalar_one() or 0


def _one(session_id: SessionId, event_id: EventId) -> Any:
    return (queue.c.session_id == session_id) & (queue.c.event_id == event_id)


def _message(row: Row[Any]) -> QueuedMessage:
    return QueuedMessage(
        EventId(row.event_id),
        UserId(row.owner),
        row.body,
        datetime.fromisoformat(row.created_at),
    )
