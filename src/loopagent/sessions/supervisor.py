"""Owns the runners: starts, keeps warm, recovers and ends them.

A session has at most one runner, whose failure becomes events of its session. At the start every
turn that was under way is found, marked and run again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from loopagent.agent.ports import Prompt, Verdict
from loopagent.config import Settings
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.domain.session import Session
from loopagent.errors import AgentError, LoopError
from loopagent.eventlog.log import EventLog
from loopagent.sessions import turns
from loopagent.sessions.comeback import Comeback, ResetOf
from loopagent.sessions.house import House
from loopagent.sessions.patience import OfSession, persist
from loopagent.sessions.places import Places
from loopagent.sessions.plans import Plans
from loopagent.sessions.port import SessionPort
from loopagent.sessions.recovery import CutTurn
from loopagent.sessions.run import Run
from loopagent.sessions.stopping import Asides
from loopagent.sessions.tasks import close_all_tasks, close_tasks
from loopagent.storage import sessions
from loopagent.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from loopagent.agent.runner import Runner

log = logging.getLogger(__name__)

_END_WITHIN = 15.0


class Supervisor:
    """Runs sessions. `level` is the isolation level in force.

    load_runner: gives the Runner class, which takes most of a second to import.
    reset_of: when the limit that a session met at the model's API is over, if that is known.
    rested: is told when a turn has ended, and where in the log.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        event_log: EventLog,
        plans: Plans,
        *,
        load_runner: Callable[[], Awaitable[type[Runner]]],
        reset_of: ResetOf,
        rested: Callable[[SessionId, int], None] | None = None,
    ) -> None:
        self._database = database
        self._log = event_log
        self._plans = plans
        self._load_runner = load_runner
        self._rested = rested
        self._runner_type: type[Runner] | None = None
        self._loaded = anyio.Event()
        self._comeback = Comeback(
            database,
            event_log,
            plans.records,
            settings,
            begin=lambda sid, prompt, cut: self._start(sid, prompt=prompt, cut=cut),
            deliver=self.deliver,
            at_work=self._is_at_work,
            reset_of=reset_of,
        )
        self._runs: dict[SessionId, Run] = {}
        self.asides = Asides(self._runs, self.interrupt)
        self._places = Places(settings.max_live, lambda: self.live)
        self._house = House(
            settings,
            self._comeback,
            live=lambda: self.live,
            has_run=self._runs.__contains__,
            take_up=lambda session_id: self._spawn(self._comeback.after_loss, session_id),
        )
        self._tasks: TaskGroup | None = None
        self._closing = False
        self.level = plans.level

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Supervisor]:
        """Serve until the block is left; then all processes are ended, their turns kept."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._load, name="load runner")
            tasks.start_soon(self._house.keep, name="keep house")
            if self.level != "none":
                watchdog = self._plans.watchdog(lambda: self.live)
                tasks.start_soon(watchdog.run, name="watchdog")
            try:
                yield self
            finally:
                await self._close()
                tasks.cancel_scope.cancel()

    @property
    def live(self) -> list[Run]:
        """Runs that have, or are getting, a process."""
        return [run for run in self._runs.values() if not run.waits]

    def deliver(self, session_id: SessionId, prompt: Prompt) -> None:
        run = self._runs.get(session_id)
        if run is not None and prompt.seq < run.begun:
            return  # its turn was ended at once, and a later one has begun
        if run is not None and run.cut is not None and run.runner is None:
            run.scope.cancel()  # the log has ended the turn that it was to take up
        if run is None or not run.takes_prompts:
            self._start(session_id, prompt=prompt)
        elif run.runner is not None:
            run.runner.prompt(prompt)
        else:
            run.prompt = prompt

    def answer(self, session: Session, event_id: EventId, verdict: Verdict) -> None:
        run = self._runs.get(session.id)
        if run is not None and run.runner is not None and run.takes_prompts:
            run.runner.answer(event_id, verdict)
        elif not session.asks and session.status == "running":
            # The process that asked is gone, or going: the next one knows the answer.
            self._spawn(self._after_answer, session.id)

    async def interrupt(self, session_id: SessionId, seq: int | None = None) -> None:
        run = self._runs.get(session_id)
        runner = run.runner if run is not None and run.takes_prompts else None
        if runner is not None and runner.turn is not None:
            if seq is None or runner.turn.seq < seq:
                runner.interrupt()
            return
        # As a write, this waits for the end of a turn that is being written just now.
        if seq is not None and not await self._database.write(
            lambda conn: turns.is_under_way(conn, session_id, seq)
        ):
            return
        await self._end_run(run := self._runs.get(session_id))
        await self._comeback.end(session_id, "interrupted")
        late = self._runs.get(session_id)
        if late is not None and late is not run and late.cut is not None:
            late.scope.cancel()  # it was about to take the turn up

    def warm(self, session_id: SessionId) -> None:
        if session_id not in self._runs and self._places.is_free:
            self._start(session_id)

    def set_model(self, session_id: SessionId, model: str) -> None:
        run = self._runs.get(session_id)
        if run is not None and run.runner is not None:
            run.runner.set_model(model)

    async def end(self, session_id: SessionId) -> None:
        await self._end_run(self._runs.get(session_id))
        await self._plans.clean_up(session_id)

    async def _end_run(self, run: Run | None) -> None:
        if run is not None:
            run.scope.cancel()
            with anyio.move_on_after(_END_WITHIN):
                await run.done.wait()

    async def recover(self) -> None:
        """Run again what was under way when the server ended."""
        found = await self._database.read(sessions.running)
        await self._plans.clean_up_all(found)
        await close_all_tasks(self._database, self._log)
        for session_id in found:
            self._spawn(self._comeback.after_loss, session_id)

    async def _after_answer(self, session_id: SessionId) -> None:
        run = self._runs.get(session_id)
        if run is not None:
            await run.done.wait()
        await self._comeback.after_answer(session_id)

    async def resume(self, session_id: SessionId, who: str) -> bool:
        return await self._comeback.by_hand(session_id, who)

    def _start(
        self, session_id: SessionId, *, prompt: Prompt | None = None, cut: CutTurn | None = None
    ) -> None:
        if self._tasks is None or self._closing:
            return
        before = self._runs.get(session_id)
        if before is not None and cut is not None:
            if before.has_turn:
                return
            # A process that was only kept warm knows nothing of the cut turn.
            before.scope.cancel()
        run = Run(session_id, prompt=prompt, cut=cut)
        self._runs[session_id] = run
        self._tasks.start_soon(self._drive, run, before, name=f"run {session_id}")

    def _spawn(self, function: OfSession, session_id: SessionId) -> None:
        if self._tasks is not None and not self._closing:
            self._tasks.start_soon(persist, function, session_id, self._runs)

    async def _drive(self, run: Run, before: Run | None) -> None:
        """One process from its start to its end, and what follows from how it ended."""
        error: AgentError | None = None
        try:
            with run.scope:
                if before is not None:
                    await before.done.wait()
                await self._places.take(run)
                await self._loaded.wait()
                await self._serve(run)
        except AgentError as failure:
            error = failure
        except LoopError as failure:
            error = AgentError("process_start_error", failure.message)
        except Exception:  # the runner's outermost frame: its session fails, no other
            log.exception("the run of %s failed", run.session_id)
            error = AgentError(
                "process_crashed_error", "The run failed inside the server. See its log."
            )
        finally:
            with anyio.CancelScope(shield=True):
                await self._finish(run, error)

    async def _serve(self, run: Run) -> None:
        assert self._runner_type is not None
        if run.cut is not None and not await self._comeback.is_due(run.session_id, run.cut):
            run.prompt = None
            return
        plan = await self._plans.make(run.session_id, run.cut)
        port = SessionPort(
            self._database, self._log, run.session_id, self._plans.settled, self._rested
        )
        run.runner = self._runner_type(plan, port, self._plans.resolver(run.session_id))
        if run.cut is not None and not run.cut.is_answered:
            await port.emit([e.SessionStatusRunning()])
        prompt, run.prompt = run.prompt, None
        if prompt is not None and plan.session.is_busy:  # else it was interrupted meanwhile
            run.runner.prompt(prompt)
        await run.runner.run()

    async def _finish(self, run: Run, error: AgentError | None) -> None:
        busy = run.runner is not None and run.runner.is_busy
        wanted = run.prompt is not None or busy
        had_turns = wanted or run.runner is not None
        if error is not None:
            log.warning("%s: %s: %s", run.session_id, error.kind, error.message)
        refused = run.runner.refused if run.runner is not None else None
        try:
            await self._plans.clean_up(run.session_id)
            await close_tasks(self._database, self._log, run.session_id)
            if refused is not None:
                await self._plans.records.leave_out(run.session_id, refused)
        except LoopError as failure:
            log.warning("%s: the grant stays in the database: %s", run.session_id, failure.message)
        except Exception:  # one session's folder must not end the server
            log.exception("%s could not be cleaned up", run.session_id)
        finally:
            if self._runs.get(run.session_id) is run:
                del self._runs[run.session_id]
            run.done.set()
            await self._places.given_back()
        if self._closing or run.parked:
            return
        following = run.runner.following if run.runner is not None else None
        if following is not None:
            self._start(run.session_id, prompt=following)
        elif (error is not None and had_turns) or (wanted and not run.scope.cancel_called):
            self._spawn(lambda sid: self._comeback.after_loss(sid, error), run.session_id)
        elif not run.scope.cancel_called:
            self._spawn(self._comeback.go_on, run.session_id)

    def _is_at_work(self, session_id: SessionId) -> bool:
        run = self._runs.get(session_id)
        return run is not None and run.has_turn

    async def _load(self) -> None:
        self._runner_type = await self._load_runner()
        self._loaded.set()

    async def _close(self) -> None:
        """End all processes; turns under way stay as they are, for the next start."""
        self._closing = True
        runs = list(self._runs.values())
        for run in runs:
            run.scope.cancel()
        with anyio.move_on_after(_END_WITHIN, shield=True):
            for run in runs:
                await run.done.wait()
