"""A session's tasks: seen, ended one by one, and closed in the log when their process ends."""

from __future__ import annotations

from typing import TypeAlias

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import NotFoundError
from loopagent.eventlog.log import EventLog, StoredEvent
from loopagent.sessions import beside
from loopagent.sessions.service import Sessions
from loopagent.sessions.stopping import Asides
from loopagent.storage import asks, sessions, tasks
from loopagent.storage import events as rows
from loopagent.storage.database import Connection, Database
from loopagent.storage.tasks import RunningTask

Running: TypeAlias = list[RunningTask]


class Tasks:
    """The verbs of sub-agents and background commands."""

    def __init__(
        self, database: Database, log: EventLog, sessions: Sessions, asides: Asides
    ) -> None:
        self._database = database
        self._log = log
        self._sessions = sessions
        self._asides = asides

    async def list(self, who: Principal, session_id: SessionId) -> Running:
        """Those that run, oldest first."""
        await self._sessions.get(who, session_id)
        return await self._database.read(lambda conn: tasks.running(conn, session_id))

    async def stop(self, who: Principal, session_id: SessionId, task_id: str) -> None:
        """End one; raises NotFoundError if it has ended. The log tells when it is over."""
        if all(task.task_id != task_id for task in await self.list(who, session_id)):
            raise NotFoundError("This task has ended already.")
        if not await self._asides.stop_task(session_id, task_id):
            await close_tasks(self._database, self._log, session_id)


async def close_tasks(database: Database, log: EventLog, session_id: SessionId) -> None:
    """Say in the log that a session's tasks have ended with their process."""

    def write(conn: Connection) -> list[StoredEvent]:
        closed = _endings(conn, session_id)
        if not closed:
            return []
        written = log.append_in(conn, session_id, closed)
        return [*written, *_no_longer_waiting(log, conn, session_id)]

    log.published(session_id, await database.write(write))


def _endings(conn: Connection, session_id: SessionId) -> list[e.Event]:
    """The ends of tasks that run, and before them those of what their sub-agents have asked."""
    running = tasks.running(conn, session_id)
    ended = {task.parent for task in running if task.parent is not None}
    closed: list[e.Event] = []
    for ask in asks.list_open(conn, session_id):
        row = rows.by_id(conn, session_id, ask.event_id)
        call = e.parse_event(row.body) if row is not None else None
        if call is not None and (call.loop or {}).get("parent") in ended:
            text = e.text_block("The sub-agent that asked has ended.")
            result = e.AgentToolResult(tool_use_id=call.id, content=[text], is_error=True)
            closed.append(result)
    for task in running:
        loop = {"parent": task.parent} if task.parent else None
        summary = f"{task.description}: ended with the agent's process"
        ending = e.TaskEnded(task_id=task.task_id, status="stopped", summary=summary, loop=loop)
        closed.append(ending)
    return closed


def _no_longer_waiting(log: EventLog, conn: Connection, session_id: SessionId) -> list[StoredEvent]:
    """A session that waited for a sub-agent's ask alone waits for nothing any more.

    Beside a turn that is under way it is at work again: what cut its process decides what follows.
    """
    session = sessions.get(conn, session_id, lock=True)
    reason = session.stop_reason.type if session.stop_reason else None
    if session.asks or reason != "requires_action":
        return []
    at_rest = beside.rest(conn, session_id)
    return log.append_in(conn, session_id, [at_rest or e.SessionStatusRunning()])


async def close_all_tasks(database: Database, log: EventLog) -> None:
    """The same for all sessions, at the server's start: no process of theirs is left."""
    for session_id in await database.read(tasks.sessions_with_any):
        await close_tasks(database, log, session_id)
