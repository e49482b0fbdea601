"""Tasks that run: sub-agents and background commands. What has ended is in the log alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from loopagent.domain.ids import EventId, SessionId
from loopagent.storage.rows import to_text
from loopagent.storage.schema import tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    """One task. parent: the event of the call that began it; command: what a shell was given."""

    session_id: SessionId
    task_id: str
    event_id: EventId
    kind: str
    description: str
    command: str | None
    parent: EventId | None
    in_background: bool
    started_at: datetime


def put(conn: Connection, task: RunningTask) -> None:
    """A task that has begun; the same one again takes the place of the first."""
    remove(conn, task.session_id, task.task_id)
    conn.execute(
        insert(tasks).values(
            session_id=task.session_id,
            task_id=task.task_id,
            event_id=task.event_id,
            kind=task.kind,
            description=task.description,
            command=task.command,
            parent=task.parent,
            background=int(task.in_background),
            started_at=to_text(task.started_at),
        )
    )


def remove(conn: Connection, session_id: SessionId, task_id: str) -> None:
    """A task has ended."""
    conn.execute(delete(tasks).where(tasks.c.session_id == session_id, tasks.c.task_id == task_id))


def running(conn: Connection, session_id: SessionId) -> list[RunningTask]:
    """The tasks of a session, oldest first."""
    wanted = select(tasks).where(tasks.c.session_id == session_id).order_by(tasks.c.started_at)
    return [_task(row) for row in conn.execute(wanted)]


def sessions_with_any(conn: Connection) -> list[SessionId]:
    """Sessions in which a task runs, or ran when the server ended."""
    rows = conn.execute(select(tasks.c.session_id).distinct())
    return [SessionId(row.session_id) for row in rows]


def _task(row: Row[Any]) -> RunningTask:
    return RunningTask(
        session_id=SessionId(row.session_id),
        task_id=row.task_id,
        event_id=EventId(row.event_id),
        kind=row.kind,
        description=row.description,
        command=row.command,
        parent=EventId(row.parent) if row.parent else None,
        in_background=bool(row.background),
        started_at=datetime.fromisoformat(row.started_at),
    )
