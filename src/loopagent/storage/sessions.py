"""Session rows: the stored fold of a session's log."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, or_, select, tuple_, update

from loopagent.domain.agent import Agent
from loopagent.domain.events import ErrorBody, StopReason
from loopagent.domain.ids import AgentId, EnvironmentId, EventId, SessionId, UserId
from loopagent.domain.money import MicroUSD
from loopagent.domain.session import Session, Status
from loopagent.domain.usage import TokenUsage
from loopagent.errors import NotFoundError
from loopagent.storage.rows import (
    decode_cursor,
    encode_cursor,
    maybe_text,
    maybe_time,
    to_json,
    to_text,
)
from loopagent.storage.schema import OF_A_SESSION, queue, sessions, tasks

_BUSY = ("running", "rescheduling")
_USAGE = tuple(field.name for field in fields(TokenUsage))

_BY_ID = select(sessions).where(sessions.c.id == bindparam("key"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_EXISTS = select(sessions.c.id).where(sessions.c.id == bindparam("key"))
_INSERT = insert(sessions)
_SAVE = update(sessions).where(sessions.c.id == bindparam("key"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionQuery:
    """Which sessions, in which order. `page` is the cursor that the page before gave.

    created: bounds by name ("gt", "gte", "lt", "lte").
    """

    statuses: tuple[str, ...] = ()
    agent_id: AgentId | None = None
    agent_version: int | None = None
    include_archived: bool = False
    created: dict[str, datetime] | None = None
    order: Literal["asc", "desc"] = "desc"
    limit: int = 50
    page: str | None = None


def insert_row(conn: Connection, session: Session) -> None:
    """A new session."""
    conn.execute(_INSERT, {**_fixed(session), **_folded(session), "fence": 0})


def get(conn: Connection, session_id: SessionId, *, lock: bool = False) -> Session:
    """A session; raises NotFoundError. `lock` keeps other writers out until the commit."""
    row = conn.execute(_BY_ID_LOCKED if lock else _BY_ID, {"key": session_id}).one_or_none()
    if row is None:
        raise _missing(session_id)
    return session_of(row)


def exists(conn: Connection, session_id: SessionId) -> bool:
    """Whether there is such a session."""
    return conn.execute(_EXISTS, {"key": session_id}).one_or_none() is not None


def save(conn: Connection, session: Session) -> None:
    """Write what the fold may have changed; raises NotFoundError if the session is gone."""
    if conn.execute(_SAVE, {"key": session.id, **_folded(session)}).rowcount == 0:
        raise _missing(session.id)


def page(conn: Connection, owner: UserId, query: SessionQuery) -> tuple[list[Session], str | None]:
    """The owner's sessions of one page, and the cursor of the next one, if there is one."""
    c = sessions.c
    wanted = select(sessions).where(c.owner == owner, c.trashed_at.is_(None))
    if query.statuses:
        wanted = wanted.where(c.status.in_(query.statuses))
    if query.agent_id is not None:
        wanted = wanted.where(c.agent_id == query.agent_id)
    if query.agent_version is not None:
        wanted = wanted.where(c.agent_version == query.agent_version)
    if not query.include_archived:
        wanted = wanted.where(c.archived_at.is_(None))
    for bound, moment in (query.created or {}).items():
        wanted = wanted.where(bounded(c.created_at, bound, moment))
    place = tuple_(c.created_at, c.id)
    if query.page is not None:
        after = tuple(decode_cursor(query.page, 2))
        wanted = wanted.where(place < after if query.order == "desc" else place > after)
    order = (c.created_at.desc(), c.id.desc()) if query.order == "desc" else (c.created_at, c.id)
    rows = conn.execute(wanted.order_by(*order).limit(query.limit + 1)).all()
    found = [session_of(row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return found, encode_cursor(to_text(found[-1].created_at), found[-1].id) if more else None


def running(conn: Connection) -> list[SessionId]:
    """Sessions with a turn that hasn't ended, those that wait for an answer among them."""
    c = sessions.c
    busy = or_(c.status.in_(_BUSY), c.asks != "[]")
    rows = conn.execute(
        select(c.id).where(busy, c.trashed_at.is_(None)).order_by(c.updated_at)
    ).all()
    return [SessionId(row.id) for row in rows]


def without_key(conn: Connection) -> list[SessionId]:
    """Sessions at rest whose last turn ended because the key was refused, longest ago first."""
    c = sessions.c
    refused = c.error.like('%"type":"authentication_error"%')
    wanted = select(c.id).where(c.status == "idle", c.archived_at.is_(None), refused)
    return [SessionId(row.id) for row in conn.execute(wanted.order_by(c.updated_at))]


def at_work(conn: Connection, owner: UserId) -> list[SessionId]:
    """An owner's sessions in which something runs or waits."""
    c = sessions.c
    waiting = select(queue.c.session_id)
    busy = or_(
        c.status.in_(_BUSY),
        c.asks != "[]",
        c.id.in_(waiting),
        c.id.in_(select(tasks.c.session_id)),
    )
    rows = conn.execute(select(c.id).where(c.owner == owner, c.archived_at.is_(None), busy))
    return [SessionId(row.id) for row in rows]


def held(conn: Connection, owner: UserId) -> list[SessionId]:
    """An owner's sessions that are held, the one used last first."""
    c = sessions.c
    wanted = select(c.id).where(c.owner == owner, c.held.is_not(None))
    rows = conn.execute(wanted.order_by(c.updated_at.desc()))
    return [SessionId(row.id) for row in rows]


def count_by_status(conn: Connection) -> dict[str, int]:
    """How many sessions there are of each status, archived ones left out."""
    c = sessions.c
    counted = select(c.status, func.count()).where(c.archived_at.is_(None)).group_by(c.status)
    return {str(status): int(number) for status, number in conn.execute(counted)}


def all_ids(conn: Connection) -> frozenset[SessionId]:
    """Every session that there is."""
    return frozenset(SessionId(row.id) for row in conn.execute(select(sessions.c.id)))


def erase(conn: Connection, session_id: SessionId) -> None:
    """Remove a session and everything that belongs to it."""
    for table in OF_A_SESSION:
        conn.execute(delete(table).where(table.c.session_id == session_id))
    conn.execute(delete(sessions).where(sessions.c.id == session_id))


def bounded(column: Any, bound: str, moment: datetime) -> Any:
    """A condition on a time column; `bound` is "gt", "gte", "lt" or "lte"."""
    value = to_text(moment)
    match bound:
        case "gt":
            return column > value
        case "gte":
            return column >= value
        case "lt":
            return column < value
        case _:
            return column <= value


def _missing(session_id: SessionId) -> NotFoundError:
    return NotFoundError(f"There is no session {session_id}.")


def _fixed(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "owner": session.owner,
        "environment_id": session.environment_id,
        "template": session.template,
        "sdk_session_id": session.sdk_session_id,
        "created_at": to_text(session.created_at),
        "pinned_at": maybe_text(session.pinned_at),
        "trashed_at": maybe_text(session.trashed_at),
    }


def _folded(session: Session) -> dict[str, Any]:
    return {
        "agent_id": session.agent.id,
        "agent_version": session.agent.version,
        "agent": _agent_text(_Snapshot(session.agent)),
        "title": session.title,
        "recovery": session.recovery,
        "held": session.held,
        "metadata": to_json(session.metadata),
        "isolation": session.isolation,
        "status": session.status,
        "stop_reason": _dumped(session.stop_reason),
        "asks": to_json(session.asks),
        "error": _dumped(session.error),
        "usage": to_json({name: getattr(session.usage, name) for name in _USAGE}),
        "cost": session.cost,
        "reported_cost": session.reported_cost,
        "budget": session.budget,
        "turns": session.turns,
        "active_ms": session.active_ms,
        "running_since": maybe_text(session.running_since),
        "seq": session.seq,
        "updated_at": to_text(session.updated_at),
        "archived_at": maybe_text(session.archived_at),
    }


def _dumped(record: StopReason | ErrorBody | None) -> str | None:
    return None if record is None else record.model_dump_json(exclude_unset=True)


# A session's agent hardly ever changes. Parsing and writing it anew for each append would be the
# dearest part, so both directions remember; agents are frozen, which makes sharing them safe.
class _Snapshot:
    """An agent as a key: two are the same if they hold the same object."""

    __slots__ = ("agent",)

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Snapshot) and self.agent is other.agent

    def __hash__(self) -> int:
        return id(self.agent)


@lru_cache(maxsize=512)
def _agent(text: str) -> Agent:
    return Agent.model_validate_json(text)


@lru_cache(maxsize=512)
def _agent_text(snapshot: _Snapshot) -> str:
    return snapshot.agent.model_dump_json()


def session_of(row: Row[Any]) -> Session:
    """The session that a row of the table holds."""
    status: Status = row.status
    return Session(
        id=SessionId(row.id),
        owner=UserId(row.owner),
        agent=_agent(row.agent),
        environment_id=EnvironmentId(row.environment_id),
        title=row.title,
        metadata=json.loads(row.metadata),
        template=row.template,
        isolation=row.isolation,
        recovery=row.recovery,
        held=row.held,
        sdk_session_id=row.sdk_session_id,
        status=status,
        stop_reason=row.stop_reason and StopReason.model_validate_json(row.stop_reason),
        asks=tuple(EventId(ask) for ask in json.loads(row.asks)),
        error=row.error and ErrorBody.model_validate_json(row.error),
        usage=TokenUsage(**json.loads(row.usage)),
        cost=MicroUSD(row.cost),
        reported_cost=MicroUSD(row.reported_cost),
        budget=None if row.budget is None else MicroUSD(row.budget),
        turns=row.turns,
        active_ms=row.active_ms,
        running_since=maybe_time(row.running_since),
        seq=row.seq,
        created_at=datetime.fromisoformat(row.created_at),
        updated_at=datetime.fromisoformat(row.updated_at),
        archived_at=maybe_time(row.archived_at),
        pinned_at=maybe_time(row.pinned_at),
        trashed_at=maybe_time(row.trashed_at),
    )
