"""All of a person's sessions at once: stop everything that runs, and let it go on again."""

from __future__ import annotations

import logging

import anyio

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError
from loopagent.eventlog.log import EventLog
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.runs import Runs
from loopagent.sessions.service import Sessions
from loopagent.storage import sessions, tasks
from loopagent.storage.database import Connection, Database

log = logging.getLogger(__name__)


class Halt:
    """Stopped sessions are held: what waits in their queues stays there until they resume."""

    def __init__(self, database: Database, event_log: EventLog, verbs: Sessions, runs: Runs):
        self._database = database
        self._log = event_log
        self._sessions = verbs
        self._runs = runs

    async def stop_all(self, who: Principal) -> list[SessionId]:
        """Stop every turn and every background task; gives the sessions where there was one."""
        found = await self._database.read(lambda conn: sessions.at_work(conn, who.user_id))
        async with anyio.create_task_group() as group:
            for session_id in found:
                group.start_soon(self._stop, session_id)
        return found

    async def resume_all(self, who: Principal) -> list[SessionId]:
        """Let what `stop_all` has stopped go on; gives those sessions."""
        found = await self._database.read(lambda conn: sessions.held(conn, who.user_id))
        for session_id in found:
            try:
                await self._sessions.resume(who, session_id)
            except LoopError as error:  # one that can't go on must not keep the others
                log.warning("%s does not resume: %s", session_id, error.message)
        return found

    async def _stop(self, session_id: SessionId) -> None:
        def hold(conn: Connection) -> Outcome:
            session = sessions.get(conn, session_id, lock=True)
            stopped: list[e.Event] = []
            if session.held is None:
                held = {"held": "turn" if session.is_busy else "queue"}
                stopped.append(e.SessionUpdated.model_validate(held))
            if session.is_busy:
                stopped.append(e.UserInterrupt(loop={"all": True}))
            return Outcome(rows=self._log.append_in(conn, session_id, stopped))

        try:
            outcome = await self._database.write(hold)
            self._log.published(session_id, outcome.rows)
            for row in outcome.rows:
                if row.type == "user.interrupt":
                    await self._runs.interrupt(session_id, row.seq)
            for task in await self._database.read(lambda conn: tasks.running(conn, session_id)):
                await self._runs.asides.stop_task(session_id, task.task_id)
        except LoopError as error:  # deleted meanwhile, say: the others are stopped all the same
            log.warning("%s was not stopped: %s", session_id, error.message)
