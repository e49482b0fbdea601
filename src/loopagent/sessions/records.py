"""The agent's own records of sessions (the CLI's transcripts), and the way on where one is no good.

A record that is lost or can't be resumed from is replaced by a summary of our log.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import anyio

from loopagent.agent import transcript
from loopagent.agent.ports import Recovery
from loopagent.agent.unlogged import catch_up
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, prompt_uuid
from loopagent.domain.session import Session
from loopagent.domain.usage import TokenUsage
from loopagent.sandbox.launcher import PROJECT
from loopagent.sessions.recovery import CutTurn
from loopagent.sessions.summary import summary_of
from loopagent.storage import events, sessions
from loopagent.storage.database import Connection, Database
from loopagent.workspaces.workspaces import Workspaces

log = logging.getLogger(__name__)

_ROWS = 400  # newest rows of the log that a summary is made from
_TOLD = (
    "user.message",
    "agent.message",
    "agent.tool_use",
    "agent.mcp_tool_use",
    "session.error",
)


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a process begins: by resuming its record, or anew, perhaps with a summary.

    recovery: what the cut turn left behind, together with what only the record holds of it.
    """

    resume: bool
    preface: str | None = None
    recovery: Recovery | None = None


class Records:
    """The records of all sessions."""

    def __init__(self, database: Database, workspaces: Workspaces) -> None:
        self._database = database
        self._workspaces = workspaces

    def folder(self, session_id: SessionId) -> Path:
        """Where a session's record and its saved long outputs are."""
        return self._workspaces.folder(session_id).config / "projects" / PROJECT

    async def prepare(self, session: Session, cut: CutTurn | None) -> Beginning:
        """Make the record ready for the next process."""
        path = self._path(session)
        if cut is not None and cut.is_answered and cut.recovery.calls:
            asked = cut.recovery.calls[-1].tool_use_id
            await anyio.to_thread.run_sync(transcript.reopen_ask, path, asked)
        recovery = None
        if cut is not None:
            begun = cut.events[0].id
            recovery = await anyio.to_thread.run_sync(
                catch_up, path, begun, cut.events, cut.recovery
            )
        if await anyio.to_thread.run_sync(transcript.can_resume, path):
            await anyio.to_thread.run_sync(transcript.point_to_end, path)
            return Beginning(resume=True, recovery=recovery)
        if not session.turns or session.usage == TokenUsage():
            # The model was never asked: turns that were stopped before that leave no record.
            return Beginning(resume=False, recovery=recovery)
        log.warning("%s: its record is gone; a summary of the log takes its place", session.id)
        told = await self._database.read(lambda conn: _told(conn, session))
        return Beginning(resume=False, preface=summary_of(told), recovery=recovery)

    async def set_aside(self, session_id: SessionId) -> None:
        """The record can't be resumed from: the next process begins with a summary."""
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        await anyio.to_thread.run_sync(transcript.set_aside, self._path(session))

    async def leave_out(self, session_id: SessionId, prompt: EventId) -> None:
        """The model's API refused a conversation with this prompt: go on from before it.

        If it refuses the next one, too, the fault lies further back: the record is set aside.
        """
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        path = self._path(session)
        again = await self._database.read(lambda conn: _was_refused_before(conn, session_id))
        if again or not await anyio.to_thread.run_sync(
            transcript.leave_out, path, prompt_uuid(prompt)
        ):
            await anyio.to_thread.run_sync(transcript.set_aside, path)

    def _path(self, session: Session) -> Path:
        return self.folder(session.id) / f"{session.sdk_session_id}.jsonl"


def _told(conn: Connection, session: Session) -> list[e.Event]:
    rows = events.page(conn, session.id, limit=_ROWS, order="desc", types=_TOLD)
    told = [e.parse_event(row.body) for row in reversed(rows)]
    if session.is_busy:  # the prompt of the turn under way is given to the agent as it is
        begun = (isinstance(event, e.UserMessage) and not event.joined for event in told)
        last = max((i for i, is_begun in enumerate(begun) if is_begun), default=0)
        del told[last:]
    return told


def _was_refused_before(conn: Connection, session_id: SessionId) -> bool:
    types = ("session.error", "session.status_idle")
    rows = events.page(conn, session_id, limit=4, order="desc", types=types)
    ends = [e.parse_event(row.body) for row in rows]
    errors = [event for event in ends if isinstance(event, e.SessionError)]
    refused = [event for event in errors if event.error.type == "message_rejected_error"]
    return len(refused) > 1
