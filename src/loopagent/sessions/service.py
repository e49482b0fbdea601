"""The verbs that web and command call: create, send, interrupt, confirm, archive, delete, …

Every verb takes the caller first and acts on nobody else's sessions: a foreign one isn't found.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from loopagent.auth.principal import WRITE, Principal
from loopagent.domain import events as e
from loopagent.domain.ids import AgentId, EnvironmentId, EventId, SessionId, new_session_id
from loopagent.domain.money import MicroUSD
from loopagent.domain.session import RecoveryPolicy, Session
from loopagent.errors import ConflictError, NotFoundError
from loopagent.eventlog.log import EventLog, StoredEvent
from loopagent.sessions import turns
from loopagent.sessions.agents import Agents, Environments
from loopagent.sessions.answers import verdict_of
from loopagent.sessions.checks import check_message, clean_title, model_choice
from loopagent.sessions.making import make, unmake
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.runs import Runs
from loopagent.storage import asks, blobs, events, queue, sessions
from loopagent.storage.asks import Ask
from loopagent.storage.database import Connection, Database
from loopagent.storage.sessions import SessionQuery
from loopagent.workspaces.workspaces import Workspaces

MAX_QUEUE = 100
_GO_ON = "Continue where you left off."


def _go_on() -> e.UserMessage:
    return e.UserMessage(content=[e.text_block(_GO_ON)], loop={"goes_on": True})


# The verb `list` hides the built-in name inside the class.
Answers: TypeAlias = list[str]
Rows: TypeAlias = list[StoredEvent]
OpenAsks: TypeAlias = list[Ask]


class Sessions:
    """All verbs of sessions. `recovery`: the policy of sessions that choose none."""

    def __init__(
        self,
        *,
        database: Database,
        log: EventLog,
        workspaces: Workspaces,
        agents: Agents,
        environments: Environments,
        runs: Runs,
        recovery: RecoveryPolicy = "auto",
    ) -> None:
        self._database = database
        self._log = log
        self._workspaces = workspaces
        self._agents = agents
        self._environments = environments
        self._runs = runs
        self._recovery = recovery

    async def create(
        self,
        who: Principal,
        *,
        session_id: SessionId | None = None,
        agent: AgentId | None = None,
        agent_version: int | None = None,
        overrides: Mapping[str, Any] | None = None,
        environment_id: EnvironmentId | None = None,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        template: str | None = None,
        model: str | None = None,
        recovery: RecoveryPolicy | None = None,
        budget: MicroUSD | None = None,
        messages: Sequence[e.UserMessage] = (),
    ) -> Session:
        """A new session with its workspace; `messages` are sent at once.

        session_id: makes a second try harmless: what the first one has made is gone on with.
        overrides: fields of the agent that differ for this session.
        Raises NotFoundError (agent, environment), UnknownTemplateError, InvalidRequestError.
        """
        for message in messages:
            check_message(message)
        snapshot = await self._agents.usable(who, agent, agent_version)
        environment = await self._environments.usable(who, environment_id)
        chosen = {"model": model_choice(model)} if model else {}
        snapshot = snapshot.model_copy(update={**(overrides or {}), **chosen})
        moment = e.now()
        session = Session(
            id=session_id or new_session_id(),
            owner=who.user_id,
            agent=snapshot,
            environment_id=environment.id,
            created_at=moment,
            updated_at=moment,
            title=clean_title(title),
            metadata=dict(metadata or {}),
            template=template or None,
            isolation=self._runs.level,
            recovery=recovery or self._recovery,
            budget=budget,
            sdk_session_id=str(uuid.uuid4()),
        )
        await make(self._workspaces, self._database, session, is_again=session_id is not None)
        self._log.ring(session.id)
        for message in messages:
            await self._message(who, session.id, message)
        return await self.get(who, session.id)

    async def get(self, who: Principal, session_id: SessionId) -> Session:
        """Raises NotFoundError."""
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        if session.owner != who.user_id or session.trashed_at is not None:
            raise NotFoundError(f"There is no session {session_id}. It may be in the trash.")
        return session

    async def list(self, who: Principal, query: SessionQuery) -> tuple[list[Session], str | None]:
        """A page of the caller's sessions and the cursor of the next one."""
        return await self._database.read(lambda conn: sessions.page(conn, who.user_id, query))

    async def update(
        self,
        who: Principal,
        session_id: SessionId,
        *,
        title: str | None = None,
        metadata: Mapping[str, str] | None = None,
        model: str | None = None,
        recovery: RecoveryPolicy | None = None,
    ) -> Session:
        """Change what is given; the rest stays."""
        await self.get(who, session_id)
        changes: dict[str, object] = {}
        if title is not None:
            changes["title"] = clean_title(title)
        if metadata is not None:
            changes["metadata"] = dict(metadata)
        if model:
            changes["model"] = model_choice(model).id
        if recovery is not None:
            changes["recovery"] = recovery
        if changes:
            await self._append(session_id, e.SessionUpdated.model_validate(changes))
        if model:
            self._runs.set_model(session_id, model)
        return await self.get(who, session_id)

    async def send(
        self, who: Principal, session_id: SessionId, sent: Sequence[e.UserEvent]
    ) -> Answers:
        """Take in events; the wire's JSON of each, with `processed_at` null while it is queued."""
        await self.get(who, session_id)
        answers = []
        for event in sent:
            match event:
                case e.UserMessage():
                    answers.append(await self._message(who, session_id, event))
                case e.UserInterrupt():
                    answers.append(await self._interrupt(session_id, event))
                case e.UserToolConfirmation():
                    answers.append(await self._confirm(who, session_id, event))
        return answers

    async def resume(self, who: Principal, session_id: SessionId) -> Session:
        """Go on with a turn that was lost, stopped or has failed; ConflictError if there is none.

        A session that was stopped with all others is held no more. A lost turn is run again where it
        was cut; otherwise the agent is told to go on.
        """
        session = await self.get(who, session_id)
        if session.held is not None:
            return await self._release(who, session_id)
        stopped = session.stop_reason is not None and session.stop_reason.type != "end_turn"
        if session.is_busy or not stopped:
            raise ConflictError("There is nothing to resume. Send a message to go on.")
        if not await self._runs.resume(session_id, who.name):
            outcome = await self._write(
                session_id,
                lambda conn: turns.go_on_with(self._log, conn, session_id, who.user_id, _go_on()),
            )
            if outcome.prompt is not None:
                self._runs.deliver(session_id, outcome.prompt)
        return await self.get(who, session_id)

    async def _release(self, who: Principal, session_id: SessionId) -> Session:
        go_on = e.UserMessage(content=[e.text_block(_GO_ON)])
        outcome = await self._write(
            session_id, lambda conn: turns.release(self._log, conn, session_id, go_on)
        )
        if outcome.prompt is not None:
            self._runs.deliver(session_id, outcome.prompt)
        return await self.get(who, session_id)

    async def archive(self, who: Principal, session_id: SessionId) -> Session:
        """Make a session read-only; raises ConflictError while it is busy."""
        await self.get(who, session_id)
        await self._write(session_id, lambda conn: turns.archive(self._log, conn, session_id))
        await self._runs.end(session_id)
        return await self.get(who, session_id)

    async def delete(self, who: Principal, session_id: SessionId) -> None:
        """End a session, erase it and move its folder to the trash."""
        await self.get(who, session_id)
        await self._runs.end(session_id)
        await unmake(self._workspaces, self._database, self._log, session_id)

    async def warm(self, who: Principal, session_id: SessionId) -> None:
        """Somebody who may write looks at the session: connect its agent in the background."""
        session = await self.get(who, session_id)
        if WRITE in who.scopes and session.archived_at is None and not session.is_busy:
            self._runs.warm(session_id)

    async def events(self, who: Principal, session_id: SessionId, **query: object) -> Rows:
        """A page of the log; `query` as EventLog.page takes it."""
        await self.get(who, session_id)
        return await self._log.page(session_id, **query)  # type: ignore[arg-type]

    async def asks(self, who: Principal, session_id: SessionId) -> OpenAsks:
        """Open asks, oldest first."""
        await self.get(who, session_id)
        return await self._database.read(lambda conn: asks.list_open(conn, session_id))

    async def blob(self, who: Principal, session_id: SessionId, event_id: EventId) -> str:
        """The whole text of a tool result that the log holds only the beginning of."""
        await self.get(who, session_id)
        return await self._database.read(lambda conn: blobs.get(conn, session_id, event_id))

    # -- how the three kinds of events are taken in -----------------------------------------

    async def _message(self, who: Principal, session_id: SessionId, message: e.UserMessage) -> str:
        check_message(message)

        def take(conn: Connection) -> Outcome:
            if queue.count(conn, session_id) >= MAX_QUEUE:
                raise ConflictError(
                    f"{MAX_QUEUE} messages are waiting already. Remove some or wait."
                )
            return turns.send_message(self._log, conn, session_id, who.user_id, message)

        outcome = await self._write(session_id, take)
        if outcome.prompt is not None:
            self._runs.deliver(session_id, outcome.prompt)
        elif outcome.queued is not None:
            self._log.live(session_id).notice(message.type, outcome.answer)
            await self._runs.asides.hurry(session_id, outcome.queued, message.id)
        return outcome.answer

    async def _interrupt(self, session_id: SessionId, interrupt: e.UserInterrupt) -> str:
        def take(conn: Connection) -> Outcome:
            turns.writable(conn, session_id)
            known = events.by_id(conn, session_id, interrupt.id)
            if known is not None:
                return Outcome(answer=known.body)
            rows = self._log.append_in(conn, session_id, [interrupt])
            return Outcome(rows=rows, answer=rows[0].body)

        outcome = await self._write(session_id, take)
        if outcome.rows:
            await self._runs.interrupt(session_id, outcome.rows[0].seq)
        return outcome.answer

    async def _confirm(
        self, who: Principal, session_id: SessionId, answer: e.UserToolConfirmation
    ) -> str:
        known = await self._database.read(lambda conn: events.by_id(conn, session_id, answer.id))
        if known is not None:
            return known.body
        loop = {**(answer.loop or {}), "answered_by": who.name}
        answer = answer.model_copy(update={"loop": loop})
        after: list[Session] = []

        def take(conn: Connection) -> Outcome:
            outcome, session = turns.confirm(self._log, conn, session_id, answer)
            after[:] = [session]
            return outcome

        outcome = await self._write(session_id, take)
        self._runs.answer(after[0], answer.tool_use_id, verdict_of(answer))
        if outcome.prompt is not None:
            self._runs.deliver(session_id, outcome.prompt)
        return outcome.answer

    async def _append(self, session_id: SessionId, event: e.Event) -> None:
        await self._log.append(session_id, [event])

    async def _write(self, session_id: SessionId, take: Callable[[Connection], Outcome]) -> Outcome:
        outcome = await self._database.write(take)
        self._log.published(session_id, outcome.rows)
        return outcome
