"""How full the agent's memory of a conversation is: asked of its process, when somebody wants it."""

from __future__ import annotations

from dataclasses import dataclass

from loopagent.auth.principal import Principal
from loopagent.domain.ids import SessionId
from loopagent.errors import ConflictError
from loopagent.sessions.service import Sessions
from loopagent.sessions.stopping import Asides


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextUse:
    """Tokens in use of those that there are, and what holds them, the largest first."""

    used: int
    limit: int
    parts: tuple[tuple[str, int], ...]

    @property
    def percent(self) -> int:
        return round(100 * self.used / self.limit) if self.limit else 0


class Context:
    """The verb that asks."""

    def __init__(self, sessions: Sessions, asides: Asides) -> None:
        self._sessions = sessions
        self._asides = asides

    async def of(self, who: Principal, session_id: SessionId) -> ContextUse:
        """Raises NotFoundError; ConflictError where no process of the session runs."""
        await self._sessions.get(who, session_id)
        answer = await self._asides.context(session_id)
        if answer is None:
            raise ConflictError(
                "The agent isn't running, so it can't be asked. Open the session, wait a moment "
                "and try again."
            )
        parts = [
            (str(part.get("name", "")), int(part.get("tokens") or 0))
            for part in answer.get("categories") or ()
        ]
        free = {"Free space", "Autocompact buffer"}
        held = [part for part in parts if part[1] and part[0] not in free]
        return ContextUse(
            used=int(answer.get("totalTokens") or 0),
            limit=int(answer.get("maxTokens") or 0),
            parts=tuple(sorted(held, key=lambda part: -part[1])),
        )
