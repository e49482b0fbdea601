"""Sessions whose turn ended because the model's API refused the server's key: they go on with it."""

from __future__ import annotations

import logging
from functools import partial

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import LoopError
from loopagent.eventlog.log import EventLog
from loopagent.sessions import steering, turns
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.runs import Runs
from loopagent.storage import sessions
from loopagent.storage.database import Connection, Database

log = logging.getLogger(__name__)

# The agent program has kept what it was asked; these words are no new task.
_GO_ON = "Continue from where you left off."


class Parked:
    """The sessions that wait for a key."""

    def __init__(self, database: Database, event_log: EventLog, runs: Runs) -> None:
        self._database = database
        self._log = event_log
        self._runs = runs

    async def go_on(self) -> None:
        """The key is taken now: turns that go on by themselves do so, in the order they ended."""
        try:
            waiting = await self._database.read(sessions.without_key)
        except LoopError as error:
            log.warning("sessions that wait for the key can't be read: %s", error.message)
            return
        for session_id in waiting:
            try:
                outcome = await self._database.write(partial(self._take_up, session_id))
            except LoopError as error:  # deleted meanwhile, say: the others go on all the same
                log.warning("%s does not go on: %s", session_id, error.message)
                continue
            self._log.published(session_id, outcome.rows)
            if outcome.prompt is not None:
                self._runs.deliver(session_id, outcome.prompt)
        if waiting:
            log.info("%d sessions go on with the key", len(waiting))

    def _take_up(self, session_id: SessionId, conn: Connection) -> Outcome:
        session = sessions.get(conn, session_id, lock=True)
        put_away = session.held or session.trashed_at or session.archived_at
        waits = session.waits_for_key and not session.is_busy
        if put_away or not waits or session.recovery != "auto":
            return Outcome()
        message = e.UserMessage(content=[e.text_block(_GO_ON)], loop={"goes_on": True})
        rows = turns.begin(self._log, conn, session, message)
        return Outcome(rows=rows, prompt=steering.prompt_of(message, rows[0].seq))
