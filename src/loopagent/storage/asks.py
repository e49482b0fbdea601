"""Asks: tool calls that wait, or waited, for a person's answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import AlreadyAnsweredError, NotFoundError
from loopagent.storage.rows import to_json, to_text
from loopagent.storage.schema import asks

AskStatus = Literal["open", "allowed", "denied", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One ask. `event_id` is the tool call's event; `tool` the CLI's name of the tool."""

    event_id: EventId
    session_id: SessionId
    tool: str
    tool_input: dict[str, Any]
    reason: str
    created_at: datetime
    status: AskStatus = "open"
    message: str | None = None
    updated_input: dict[str, Any] | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None


def insert_ask(conn: Connection, ask: Ask) -> None:
    """A new, open ask."""
    conn.execute(
        insert(asks).values(
            event_id=ask.event_id,
            session_id=ask.session_id,
            tool=ask.tool,
            input=to_json(ask.tool_input),
            reason=ask.reason,
            status=ask.status,
            created_at=to_text(ask.created_at),
        )
    )


def answer(
    conn: Connection,
    session_id: SessionId,
    event_id: EventId,
    status: Literal["allowed", "denied"],
    *,
    at: datetime,
    by: str | None = None,
    message: str | None = None,
    updated_input: dict[str, Any] | None = None,
) -> None:
    """Answer an open ask: the first answer wins.

    Raises NotFoundError for an unknown ask, AlreadyAnsweredError for one that is closed.
    """
    changed = conn.execute(
        update(asks)
        .where(
            asks.c.session_id == session_id, asks.c.event_id == event_id, asks.c.status == "open"
        )
        .values(
            status=status,
            answered_by=by,
            answered_at=to_text(at),
            message=message,
            updated_input=None if updated_input is None else to_json(updated_input),
        )
    )
    if changed.rowcount == 0:
        _refuse(conn, session_id, event_id)


def _refuse(conn: Connection, session_id: SessionId, event_id: EventId) -> None:
    wanted = select(asks).where(asks.c.session_id == session_id, asks.c.event_id == event_id)
    row = conn.execute(wanted).one_or_none()
    if row is None:
        raise NotFoundError(f"No tool call {event_id} of this session asks for an answer.")
    if row.status == "cancelled":
        raise AlreadyAnsweredError("This call is no longer waiting: its turn has ended.")
    raise AlreadyAnsweredError(f"This call was {row.status} already by {row.answered_by}.")


def cancel(conn: Connection, session_id: SessionId, event_id: EventId) -> None:
    """Close an open ask that isn't needed any more."""
    of_session = (asks.c.session_id == session_id) & (asks.c.event_id == event_id)
    open_one = update(asks).where(of_session, asks.c.status == "open")
    conn.execute(open_one.values(status="cancelled"))


def list_open(conn: Connection, session_id: SessionId) -> list[Ask]:
    """Asks that wait, oldest first."""
    return found_asks(conn, asks.c.session_id == session_id, asks.c.status == "open")


def of_session(conn: Connection, session_id: SessionId) -> list[Ask]:
    """All asks of a session, oldest first."""
    return found_asks(conn, asks.c.session_id == session_id)


def found_asks(conn: Connection, *conditions: ColumnElement[bool]) -> list[Ask]:
    """Asks that fulfil all conditions, oldest first."""
    wanted = select(asks).where(*conditions).order_by(asks.c.created_at, asks.c.event_id)
    return [_ask(row) for row in conn.execute(wanted)]


def _ask(row: Row[Any]) -> Ask:
    return Ask(
        event_id=EventId(row.event_id),
        session_id=SessionId(row.session_id),
        tool=row.tool,
        tool_input=json.loads(row.input),
        reason=row.reason,
        created_at=datetime.fromisoformat(row.created_at),
        status=row.status,
        message=row.message,
        updated_input=None if row.updated_input is None else json.loads(row.updated_input),
        answered_by=row.answered_by,
        answered_at=None if row.answered_at is None else datetime.fromisoformat(row.answered_at),
    )
