"""What people allow always: stored with a session or its agent, seen and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import RuleId, SessionId, new_rule_id
from loopagent.domain.rules import Rule
from loopagent.domain.session import Session
from loopagent.errors import InvalidRequestError, NotFoundError
from loopagent.sessions.service import Sessions
from loopagent.storage import rules
from loopagent.storage.database import Connection, Database
from loopagent.storage.rules import StoredRule

Scope = Literal["session", "agent"]
Found: TypeAlias = list[StoredRule]

_NEVER = frozenset({"AskUserQuestion", "ExitPlanMode"})


class Rules:
    """The verbs of rules."""

    def __init__(self, database: Database, sessions: Sessions) -> None:
        self._database = database
        self._sessions = sessions

    async def list(self, who: Principal, session_id: SessionId) -> Found:
        """The rules that hold in a session, oldest first; raises NotFoundError."""
        session = await self._sessions.get(who, session_id)
        return await self._database.read(
            lambda conn: rules.of_session(conn, who.user_id, session_id, session.agent.id)
        )

    async def allow(
        self,
        who: Principal,
        session_id: SessionId,
        answer: e.UserToolConfirmation,
        allowed: Sequence[Rule],
        scope: Scope = "session",
    ) -> None:
        """Answer an ask with yes, and store what needs no asking any more.

        Raises NotFoundError, AlreadyAnsweredError, InvalidRequestError.
        """
        session = await self._sessions.get(who, session_id)
        for rule in allowed:
            if rule.tool in _NEVER:
                raise InvalidRequestError(f"{rule.tool} is a question to you: it is always asked.")
        always = [{"tool": r.tool, "kind": r.kind, "subject": r.subject} for r in allowed]
        loop = {**(answer.loop or {}), "always": always, "scope": scope}
        # The answer first: whoever was slower than somebody else changes nothing.
        await self._sessions.send(who, session_id, [answer.model_copy(update={"loop": loop})])
        await self._database.write(lambda conn: _store(conn, session, allowed, scope))

    async def remove(self, who: Principal, session_id: SessionId, rule_id: RuleId) -> None:
        """Ask again from the next turn on; raises NotFoundError."""
        if all(stored.id != rule_id for stored in await self.list(who, session_id)):
            raise NotFoundError("There is no such rule. It may have been removed already.")
        await self._database.write(lambda conn: rules.remove(conn, rule_id))


def _store(conn: Connection, session: Session, allowed: Sequence[Rule], scope: Scope) -> None:
    for rule in allowed:
        stored = StoredRule(id=new_rule_id(), owner=session.owner, rule=rule, created_at=e.now())
        where = (
            replace(stored, session_id=session.id)
            if scope == "session"
            else replace(stored, agent_id=session.agent.id)
        )
        rules.put(conn, where)
