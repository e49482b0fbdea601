"""What the verbs need of whoever runs the sessions."""

from __future__ import annotations

from typing import Protocol

from loopagent.agent.ports import Prompt, Verdict
from loopagent.domain.ids import EventId, SessionId
from loopagent.domain.session import Session
from loopagent.sessions.stopping import Asides


class Runs(Protocol):
    """What the verbs need of the supervisor."""

    level: str
    asides: Asides

    def deliver(self, session_id: SessionId, prompt: Prompt) -> None:
        """A turn has begun in the log: give its message to the agent."""

    def answer(self, session: Session, event_id: EventId, verdict: Verdict) -> None:
        """An ask was answered."""

    async def resume(self, session_id: SessionId, who: str) -> bool:
        """Run a lost turn again because `who` wants it; False if the last one was not lost."""

    async def interrupt(self, session_id: SessionId, seq: int | None = None) -> None:
        """Stop the turn that is under way; with `seq`, only the one to which that row belongs."""

    def warm(self, session_id: SessionId) -> None:
        """Connect in the background, so that the next message need not wait."""

    def set_model(self, session_id: SessionId, model: str) -> None:
        """Use another model from now on."""

    async def end(self, session_id: SessionId) -> None:
        """End the agent process and whatever is left of it."""
