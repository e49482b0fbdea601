"""The verbs of a session's queue: see, edit, reorder, hurry, remove, clear."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TypeAlias

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, new_event_id
from loopagent.errors import ConflictError, InvalidRequestError, NotFoundError
from loopagent.eventlog.log import EventLog
from loopagent.sessions import steering, turns
from loopagent.sessions.checks import check_message
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.service import Sessions
from loopagent.sessions.stopping import Asides
from loopagent.storage import queue
from loopagent.storage.database import Connection, Database
from loopagent.storage.queue import QueuedMessage

Waiting: TypeAlias = list[QueuedMessage]

_HANDED_OVER = "The agent may have this message already. Remove it and send another one."


class Queue:
    """All verbs of queues. Every change is one transaction; the log's followers are told."""

    def __init__(
        self, database: Database, log: EventLog, sessions: Sessions, asides: Asides
    ) -> None:
        self._database = database
        self._log = log
        self._sessions = sessions
        self._asides = asides

    async def list(self, who: Principal, session_id: SessionId) -> Waiting:
        """Messages that wait for their turn, the next one first."""
        await self._sessions.get(who, session_id)
        return await self._database.read(lambda conn: queue.listed(conn, session_id))

    async def edit(
        self, who: Principal, session_id: SessionId, event_id: EventId, content: Sequence[e.Block]
    ) -> None:
        """Change what a message says.

        Raises NotFoundError once its turn has begun, ConflictError for a steering message.
        """
        await self._sessions.get(who, session_id)
        changed = e.UserMessage(id=event_id, content=[*content])
        check_message(changed)

        def write(conn: Connection) -> None:
            turns.writable(conn, session_id)
            message = queue.find(conn, session_id, event_id).message
            if message.mode == "steer":
                raise ConflictError(_HANDED_OVER)
            body = e.encode_event(message.model_copy(update={"content": changed.content}))
            queue.rewrite(conn, session_id, event_id, body)

        await self._database.write(write)
        self._tell(session_id)

    async def reorder(
        self, who: Principal, session_id: SessionId, order: Sequence[EventId]
    ) -> None:
        """Let messages go in this order; those that it doesn't name follow as they were.

        Steering messages stay before all others. Names that don't wait (any more) are passed over.
        """
        await self._sessions.get(who, session_id)
        if len(set(order)) != len(order):
            raise InvalidRequestError("order names a message twice. Name each once.")

        def write(conn: Connection) -> None:
            turns.writable(conn, session_id)
            waiting = queue.listed(conn, session_id)
            first = [q.event_id for q in waiting if q.message.mode == "steer"]
            others = [q.event_id for q in waiting if q.event_id not in first]
            named = [event_id for event_id in order if event_id in others]
            queue.arrange(
                conn, session_id, [*first, *named, *(i for i in others if i not in named)]
            )

        await self._database.write(write)
        self._tell(session_id)

    async def hurry(
        self, who: Principal, session_id: SessionId, event_id: EventId, mode: e.SendMode
    ) -> None:
        """Steer the turn under way with a message that waits, or interrupt it and send it now."""
        await self._sessions.get(who, session_id)

        def write(conn: Connection) -> Outcome:
            turns.writable(conn, session_id)
            message = queue.find(conn, session_id, event_id).message
            if message.mode == "steer":
                if mode == "queue":
                    raise ConflictError(_HANDED_OVER)
                return Outcome()
            wanted = steering.with_loop(message, mode=mode)
            return steering.hurry(self._log, conn, session_id, wanted)

        outcome = await self._database.write(write)
        self._log.published(session_id, outcome.rows)
        self._tell(session_id)
        if outcome.queued is not None:
            await self._asides.hurry(session_id, outcome.queued, event_id)

    async def remove(self, who: Principal, session_id: SessionId, event_id: EventId) -> None:
        """Take a message out.

        Raises NotFoundError once its turn has begun, ConflictError if the agent has read it.
        """
        await self._sessions.get(who, session_id)

        def write(conn: Connection) -> QueuedMessage:
            turns.writable(conn, session_id)
            found = queue.find(conn, session_id, event_id)
            queue.remove(conn, session_id, event_id)
            return found

        removed = await self._database.write(write)
        try:
            if removed.message.mode == "steer":
                await self._take_back(session_id, removed.message)
        finally:
            self._tell(session_id)

    async def clear(self, who: Principal, session_id: SessionId) -> int:
        """Take out all that wait; gives their number. What the agent has read by then stays."""
        removed = 0
        for waiting in await self.list(who, session_id):
            try:
                await self.remove(who, session_id, waiting.event_id)
                removed += 1
            except (NotFoundError, ConflictError):  # its turn has begun meanwhile
                continue
        return removed

    def _tell(self, session_id: SessionId) -> None:
        """Let followers know: no row of the log says that the queue is another one."""
        body = json.dumps({"id": new_event_id(), "type": "loop.queue"})
        self._log.live(session_id).notice("loop.queue", body)

    async def _take_back(self, session_id: SessionId, message: e.UserMessage) -> None:
        if await self._asides.withdraw(session_id, message.id):
            return
        joined = steering.with_loop(message, joined=True)
        await self._log.append(session_id, [joined])
        raise ConflictError("The agent has read this message already.")
