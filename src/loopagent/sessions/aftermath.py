"""The end of a turn that no process works on: written into the log, its draft kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopagent.agent.ports import CUT, OpenCall, Prompt
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import AgentError
from loopagent.eventlog.log import EventLog
from loopagent.sessions.port import SessionPort
from loopagent.sessions.recovery import CutTurn, read_cut_turn
from loopagent.storage import sessions
from loopagent.storage.database import Database

MAX_ATTEMPTS = 3  # new starts of a turn that gets no further
_MAX_STARTS = 12  # new starts in all
_PAUSES = (0.5, 4.0, 15.0)  # seconds before the first, second and third new start of a turn


def may_try_again(cut: CutTurn, error: AgentError | None) -> bool:
    """Whether a cut turn is run again: not for ever, and not if nothing can help."""
    if error is not None and error.retry_status == "terminal":
        return False
    return cut.attempts < MAX_ATTEMPTS and cut.starts < _MAX_STARTS


def pause_before(cut: CutTurn, error: AgentError | None) -> float:
    """Seconds to wait before that; none after a restart of the server."""
    return _PAUSES[cut.attempts] if error is not None else 0.0


def cause(error: AgentError | None) -> e.Json:
    """Why a turn was cut, for the log."""
    if error is None:
        return {"reason": "server_stopped", "message": "The server was stopped in this turn."}
    return {"reason": error.kind, "message": error.message}


def show_draft(log: EventLog, session_id: SessionId, cut: CutTurn) -> None:
    """Let viewers see the text that a cut turn was writing."""
    live = log.live(session_id)
    if cut.recovery.draft_id is not None and live.draft is None:
        live.open_draft(cut.recovery.draft_id, "agent.message")
        live.extend_draft(cut.recovery.draft_text)


def exhausted(error: AgentError | None) -> e.SessionError:
    """The event that says that a turn is given up."""
    shown = error or AgentError(
        "process_crashed_error",
        f"The turn was cut {MAX_ATTEMPTS} times. Send a message to go on.",
    )
    retry = e.RetryStatusBody(type="exhausted")
    return e.SessionError(
        error=e.ErrorBody(type=shown.kind, message=shown.message, retry_status=retry)
    )


async def end_in_log(
    database: Database,
    log: EventLog,
    session_id: SessionId,
    reason: str,
    *,
    error: e.SessionError | None = None,
    loop: Mapping[str, Any] | None = None,
) -> Prompt | None:
    """End the turn, if there is one; gives the next queued message, which then has begun."""
    ending = await ending_of(database, log, session_id, reason, error=error, loop=loop)
    return await SessionPort(database, log, session_id).ended(ending) if ending else None


async def ending_of(
    database: Database,
    log: EventLog,
    session_id: SessionId,
    reason: str,
    *,
    error: e.SessionError | None = None,
    loop: Mapping[str, Any] | None = None,
) -> list[e.Event]:
    """The events that end a turn, what it was writing among them; none if there is no turn."""
    session = await database.read(lambda conn: sessions.get(conn, session_id))
    if not session.is_busy:
        return []
    cut = await read_cut_turn(database, log, session_id)
    ending: list[e.Event] = []
    if cut is not None and cut.recovery.draft_id is not None and cut.recovery.draft_text:
        text = e.text_block(cut.recovery.draft_text)
        partial = e.AgentMessage(id=cut.recovery.draft_id, content=[text], loop={"partial": True})
        ending.append(partial)
    ending += [_result_of(call) for call in cut.recovery.calls] if cut is not None else []
    ending += [error] if error is not None else []
    stopped = e.StopReason(type=reason)
    ending.append(e.SessionStatusIdle(stop_reason=stopped, loop=dict(loop) if loop else None))
    log.live(session_id).close_draft()
    return ending


def _result_of(call: OpenCall) -> e.Event:
    """The result of a call that will not get one: in the end every call has a result."""
    content: list[e.Block] = [e.text_block(CUT)]
    if call.tool.startswith("mcp__"):
        return e.AgentMcpToolResult(mcp_tool_use_id=call.event_id, content=content, is_error=True)
    return e.AgentToolResult(tool_use_id=call.event_id, content=content, is_error=True)
