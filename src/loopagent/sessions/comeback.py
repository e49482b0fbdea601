"""What becomes of a turn whose process was lost: run again, left for a person, or given up."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import anyio

from loopagent.agent.ports import Prompt
from loopagent.config import Settings
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId, new_event_id
from loopagent.domain.session import Session
from loopagent.errors import AgentError
from loopagent.eventlog.log import EventLog
from loopagent.sessions import aftermath, turns
from loopagent.sessions.port import SessionPort
from loopagent.sessions.records import Records
from loopagent.sessions.recovery import CutTurn, read_cut_turn
from loopagent.storage import sessions
from loopagent.storage.database import Database

log = logging.getLogger(__name__)

_APART = 0.5  # seconds between sessions that wait for the same limit, so that they don't race
_LONGEST_PAUSE = 300.0
_GO_ON = "Continue from where you left off."

Begin = Callable[[SessionId, Prompt, CutTurn], None]
Deliver = Callable[[SessionId, Prompt], None]
ResetOf = Callable[[SessionId], datetime | None]


class Comeback:
    """Brings cut turns back, as the policy of their session says.

    begin: starts a process that runs a cut turn again.
    at_work: whether a process has the session's turn.
    deliver: gives the next message to the session's process.
    reset_of: when the limit that last refused a session's request will be over, if that is known.
    """

    def __init__(
        self,
        database: Database,
        event_log: EventLog,
        records: Records,
        settings: Settings,
        *,
        begin: Begin,
        deliver: Deliver,
        at_work: Callable[[SessionId], bool],
        reset_of: ResetOf,
    ) -> None:
        self._database = database
        self._log = event_log
        self._records = records
        self._begin = begin
        self._deliver = deliver
        self._at_work = at_work
        self._reset_of = reset_of
        self._limit_pause = settings.limit_pause_seconds
        self._limit_hours = settings.limit_hours
        self._parked = 0
        self._waiting: set[SessionId] = set()
        self._lost: set[SessionId] = set()

    async def after_loss(self, session_id: SessionId, error: AgentError | None = None) -> None:
        """A turn's process ended before the turn did; without an error the server had ended."""
        session = await self._session(session_id)
        if not session.is_busy:
            await self.go_on(session_id)  # interrupted meanwhile
            return
        if self._at_work(session_id):
            return  # an answer was faster
        cut = await read_cut_turn(self._database, self._log, session_id)
        if cut is None or cut.is_interrupted:
            await self.end(session_id, "interrupted")
        elif session.asks:
            # It waits for an answer, and needs no process until then.
            await SessionPort(self._database, self._log, session_id).declare_waiting()
        elif cut.resumes_at is not None and session.status == "rescheduling":
            await self._go_on_at(session_id, cut, cut.resumes_at)
        elif error is not None and error.is_limit:
            await self._after_limit(session, cut, error)
        else:
            await self._after_crash(session, cut, error)

    async def after_answer(self, session_id: SessionId) -> None:
        """The last ask of a turn was answered, and the process that asked is gone."""
        cut = await read_cut_turn(self._database, self._log, session_id)
        if cut is None:
            await self.end(session_id, "interrupted")
        else:
            self._begin(session_id, cut.prompt, replace(cut, is_answered=True))

    async def go_on(self, session_id: SessionId) -> None:
        """Begin the next queued message, if a process ended between two of them."""
        outcome = await self._database.write(lambda conn: turns.go_on(self._log, conn, session_id))
        self._log.published(session_id, outcome.rows)
        if outcome.prompt is not None:
            self._deliver(session_id, outcome.prompt)

    async def by_hand(self, session_id: SessionId, who: str) -> bool:
        """Somebody wants the lost turn to go on; False if the last turn was not lost."""
        outcome = await self._database.write(
            lambda conn: turns.take_up(self._log, conn, session_id, who)
        )
        self._log.published(session_id, outcome.rows)
        if not outcome.rows:
            return False
        cut = await read_cut_turn(self._database, self._log, session_id)
        if cut is None:
            await self.end(session_id, "interrupted")
        else:
            self._begin(session_id, cut.prompt, cut)
        return True

    async def look_for_lost(self, has_run: Callable[[SessionId], bool]) -> list[SessionId]:
        """Sessions that are busy in the log alone, now and at the last look.

        A write of a turn's end that has failed leaves such a one, whatever the cause.
        """
        found = await self._database.read(sessions.running)
        lost = {id for id in found if not has_run(id) and id not in self._waiting}
        again, self._lost = lost & self._lost, lost
        return list(again)

    async def is_due(self, session_id: SessionId, cut: CutTurn) -> bool:
        """Whether a cut turn still waits to be taken up: it may have been ended meanwhile."""
        begun = cut.events[0].seq or 0
        return await self._database.write(lambda conn: turns.is_under_way(conn, session_id, begun))

    async def end(
        self,
        session_id: SessionId,
        reason: str,
        error: e.SessionError | None = None,
        **loop: object,
    ) -> None:
        """End the turn in the log; the next queued message's begins."""
        following = await aftermath.end_in_log(
            self._database, self._log, session_id, reason, error=error, loop=loop
        )
        if following is not None:
            self._deliver(session_id, following)

    async def _after_crash(self, session: Session, cut: CutTurn, error: AgentError | None) -> None:
        cause = aftermath.cause(error)
        if session.recovery != "auto":
            await self.end(session.id, "interrupted", cut=cause)
        elif not aftermath.may_try_again(cut, error):
            await self.end(session.id, "retries_exhausted", aftermath.exhausted(error), cut=cause)
        else:
            aftermath.show_draft(self._log, session.id, cut)
            if cut.attempts and error is not None and error.kind == "resume_failed_error":
                await self._records.set_aside(session.id)
            attempt = {"attempt": cut.attempts + 1, "max_attempts": aftermath.MAX_ATTEMPTS}
            await self._reschedule(session.id, {**cause, **attempt})
            await self._wait(session.id, aftermath.pause_before(cut, error))
            await self._begin_if_due(session.id, cut)

    async def _after_limit(self, session: Session, cut: CutTurn, error: AgentError) -> None:
        moment = e.now()
        hours = timedelta(hours=self._limit_hours)
        if session.recovery == "never" or moment - (cut.limited_since or moment) >= hours:
            await self.end(session.id, "retries_exhausted", aftermath.exhausted(error))
            return
        resumes_at = self._limit_over(session.id, cut, moment)
        cause = aftermath.cause(error) | {"resumes_at": resumes_at.isoformat()}
        await self._reschedule(session.id, cause)
        await self._go_on_at(session.id, cut, resumes_at)

    def _limit_over(self, session_id: SessionId, cut: CutTurn, moment: datetime) -> datetime:
        pause = min(_LONGEST_PAUSE, self._limit_pause * 2**cut.limits)
        reset = self._reset_of(session_id)
        if reset is not None and reset > moment:
            pause = (reset - moment).total_seconds()
        # In the order in which they were stopped, and never all at once.
        pause += _APART * (self._parked + random.random())  # noqa: S311
        return moment + timedelta(seconds=pause)

    async def _go_on_at(self, session_id: SessionId, cut: CutTurn, moment: datetime) -> None:
        self._parked += 1
        try:
            await self._wait(session_id, (moment - e.now()).total_seconds())
        finally:
            self._parked -= 1
        await self._begin_if_due(session_id, replace(cut, limits=cut.limits + 1))

    async def _wait(self, session_id: SessionId, seconds: float) -> None:
        self._waiting.add(session_id)
        try:
            await anyio.sleep(max(0.0, seconds))
        finally:
            self._waiting.discard(session_id)

    async def _begin_if_due(self, session_id: SessionId, cut: CutTurn) -> None:
        session = await self._session(session_id)
        is_due = session.status == "rescheduling" and await self.is_due(session_id, cut)
        if not is_due or self._at_work(session_id):
            return  # it was interrupted meanwhile, or somebody else has taken it up
        prompt = cut.prompt
        if cut.limits:
            # The refusal ended the turn for the CLI: the same prompt would say nothing to it.
            prompt = Prompt(event_id=new_event_id(), content=[e.text_block(_GO_ON)])
        self._begin(session_id, prompt, cut)

    async def _reschedule(self, session_id: SessionId, cause: e.Json) -> None:
        await self._log.append(session_id, [e.SessionStatusRescheduled(loop=cause)])

    async def _session(self, session_id: SessionId) -> Session:
        return await self._database.read(lambda conn: sessions.get(conn, session_id))
