"""Event rows: the log itself. Rows are never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import ConflictError, StaleSequenceError
from loopagent.storage.rows import to_text
from loopagent.storage.schema import events
from loopagent.storage.sessions import bounded

# How SQLite and PostgreSQL name the id's uniqueness; the log's numbers are the primary key.
_ID_TAKEN = ("events.id", "events_id_key")

_INSERT = insert(events)
_BY_ID = select(events).where(events.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row; `body` is the wire's JSON text."""

    session_id: SessionId
    seq: int
    id: EventId
    type: str
    processed_at: datetime
    body: str


def insert_rows(conn: Connection, rows: Sequence[EventRow]) -> None:
    """Add rows to a log.

    Raises StaleSequenceError if a number is taken: somebody else writes this log, too. Raises
    ConflictError if an id is.
    """
    try:
        conn.execute(_INSERT, [_columns(row) for row in rows])
    except IntegrityError as error:
        if any(sign in str(error.orig) for sign in _ID_TAKEN):
            raise ConflictError("An event of this id is stored already. Use a new one.") from error
        raise StaleSequenceError("Somebody else wrote to this log. Read it again.") from error


def by_id(conn: Connection, session_id: SessionId, event_id: EventId) -> EventRow | None:
    """The row of an event, or None; raises ConflictError if another session has that id."""
    row = conn.execute(_BY_ID, {"key": event_id}).one_or_none()
    if row is not None and row.session_id != session_id:
        raise ConflictError("Another session has an event of this id. Use a new one.")
    return None if row is None else _event(row)


def page(
    conn: Connection,
    session_id: SessionId,
    *,
    after: int = 0,
    before: int | None = None,
    limit: int = 100,
    types: Sequence[str] = (),
    hidden: str | None = None,
    order: Literal["asc", "desc"] = "asc",
    processed: dict[str, datetime] | None = None,
) -> list[EventRow]:
    """Rows with `after` < seq < `before`, at most `limit`.

    types: only these. hidden: none whose type begins so. processed: bounds by name on the time.
    """
    c = events.c
    wanted = select(events).where(c.session_id == session_id, c.seq > after)
    if before is not None:
        wanted = wanted.where(c.seq < before)
    if types:
        wanted = wanted.where(c.type.in_(types))
    if hidden is not None:
        wanted = wanted.where(~c.type.startswith(hidden, autoescape=True))
    for bound, moment in (processed or {}).items():
        wanted = wanted.where(bounded(c.processed_at, bound, moment))
    wanted = wanted.order_by(c.seq if order == "asc" else c.seq.desc()).limit(limit)
    return [_event(row) for row in conn.execute(wanted)]


def _columns(row: EventRow) -> dict[str, Any]:
    return {
        "session_id": row.session_id,
        "seq": row.seq,
        "id": row.id,
        "type": row.type,
        "processed_at": to_text(row.processed_at),
        "body": row.body,
    }


def _event(row: Row[Any]) -> EventRow:
    return EventRow(
        SessionId(row.session_id),
        row.seq,
        EventId(row.id),
        row.type,
        datetime.fromisoformat(row.processed_at),
        row.body,
    )
