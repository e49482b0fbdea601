"""The runner's way into the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from loopagent.agent.ports import Prompt, Steer, Verdict
from loopagent.domain.events import Event
from loopagent.domain.ids import EventId, SessionId
from loopagent.domain.rules import Rule
from loopagent.eventlog.log import EventLog
from loopagent.sessions import steering, turns
from loopagent.storage import rules, sessions
from loopagent.storage.database import Connection, Database


class SessionPort:
    """Implements the agent room's Port for one session.

    settled: waits until what the turn has spent is written, so that its end can tell.
    rested: is told the place of the turn's end in the log.
    """

    def __init__(
        self,
        database: Database,
        log: EventLog,
        session_id: SessionId,
        settled: Callable[[SessionId], Awaitable[None]] | None = None,
        rested: Callable[[SessionId, int], None] | None = None,
    ) -> None:
        self._database = database
        self._log = log
        self._session_id = session_id
        self._settled = settled
        self._rested = rested
        self._live = log.live(session_id)

    async def emit(self, events: Sequence[Event]) -> None:
        await self._log.append(self._session_id, events)

    async def waiting(self, ask: EventId) -> Verdict | None:
        known = await self._database.read(lambda conn: turns.answer_to(conn, self._session_id, ask))
        if known is None:
            await self.declare_waiting()
        return known

    async def declare_waiting(self) -> None:
        """Say in the log that the session waits for its open asks, if that is not said yet."""
        outcome = await self._database.write(
            lambda conn: turns.declare_waiting(self._log, conn, self._session_id)
        )
        self._log.published(self._session_id, outcome.rows)

    async def rules(self) -> Sequence[Rule]:
        def read(conn: Connection) -> list[Rule]:
            session = sessions.get(conn, self._session_id)
            found = rules.of_session(conn, session.owner, session.id, session.agent.id)
            return [stored.rule for stored in found]

        return await self._database.read(read)

    async def ended(self, events: Sequence[Event]) -> Prompt | None:
        if self._settled is not None:
            await self._settled(self._session_id)
        outcome = await self._database.write(
            lambda conn: turns.end_turn(self._log, conn, self._session_id, events)
        )
        self._log.published(self._session_id, outcome.rows)
        ends = [row.seq for row in outcome.rows if row.type == "session.status_idle"]
        if ends and self._rested is not None:
            self._rested(self._session_id, ends[-1])
        return outcome.prompt

    async def steers(self, *, with_logged: bool) -> Sequence[Steer]:
        return await self._database.read(
            lambda conn: steering.to_hand_over(conn, self._session_id, with_logged=with_logged)
        )

    async def taken(self, event_id: EventId) -> None:
        outcome = await self._database.write(
            lambda conn: steering.take(self._log, conn, self._session_id, event_id)
        )
        self._log.published(self._session_id, outcome.rows)

    def open_draft(self, event_id: EventId, kind: str) -> None:
        self._live.open_draft(event_id, kind)

    def extend_draft(self, text: str) -> None:
        self._live.extend_draft(text)

    def close_draft(self) -> None:
        self._live.close_draft()
