"""What a list of sessions shows, for many at once: their rows, their newest words, their asks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, func, select

from loopagent.domain.ids import SessionId, UserId
from loopagent.domain.session import Session
from loopagent.storage.asks import Ask, found_asks
from loopagent.storage.schema import asks, events, sessions
from loopagent.storage.sessions import session_of

# Types of events that say what a session is doing.
TELLING = (
    "user.message",
    "agent.message",
    "agent.thinking",
    "agent.tool_use",
    "agent.mcp_tool_use",
)
_S = sessions.c
_NEWEST = (
    select(events.c.body)
    .where(events.c.session_id == _S.id, events.c.type.in_(TELLING))
    .order_by(events.c.seq.desc())
    .limit(1)
    .correlate(sessions)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Overview:
    """A session and the newest event that says what it is doing, as JSON."""

    session: Session
    newest: str | None


def overviews(
    conn: Connection, owner: UserId, *, only: Collection[SessionId] | None = None, limit: int
) -> list[Overview]:
    """The owner's sessions, the last changed first, those in the trash among them."""
    wanted = select(sessions, _NEWEST.label("newest")).where(_S.owner == owner)
    if only is not None:
        wanted = wanted.where(_S.id.in_(only))
    rows = conn.execute(wanted.order_by(_S.updated_at.desc()).limit(limit)).all()
    return [Overview(session_of(row), row.newest) for row in rows]


def open_asks(
    conn: Connection, owner: UserId, only: Collection[SessionId] | None = None
) -> list[Ask]:
    """The asks that wait for the owner, oldest first."""
    mine = asks.c.session_id.in_(select(_S.id).where(_S.owner == owner, _S.trashed_at.is_(None)))
    conditions: list[ColumnElement[bool]] = [asks.c.status == "open", mine]
    if only is not None:
        conditions.append(asks.c.session_id.in_(only))
    return found_asks(conn, *conditions)


@dataclass(frozen=True, slots=True)
class Pulse:
    """Numbers of which one changes whenever one of the owner's sessions does."""

    sessions: int
    events: int
    pinned: int
    trashed: int


def pulse(conn: Connection, owner: UserId) -> Pulse:
    """The present numbers of an owner."""
    seen = select(
        func.count(), func.coalesce(func.sum(_S.seq), 0),
        func.count(_S.pinned_at), func.count(_S.trashed_at),
    )  # fmt: skip
    row = conn.execute(seen.where(_S.owner == owner)).one()
    return Pulse(*(int(number) for number in row))
