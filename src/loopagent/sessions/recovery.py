"""What a cut turn left in the log: read once, before the turn is run again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loopagent.agent.ports import OpenCall, Prompt, Recovery
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.eventlog.log import EventLog
from loopagent.sessions.steering import prompt_of
from loopagent.storage import events
from loopagent.storage.database import Connection, Database

_MESSAGES = 200  # steering messages of one turn that are looked past
_ROWS = 5000  # a turn longer than this is recovered from its last rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTurn:
    """The unfinished turn of a session; `events` is its log.

    attempts: how often it has been started again since it last got any further.
    starts: how often in all.
    limits, limited_since: how often it has waited for a limit of the model's API, and since when.
    resumes_at: the end of such a wait, if it is the last thing that happened.
    is_answered: the ask that it waited for has been answered with no process there.
    is_interrupted: somebody wanted it to stop, and it has not been resumed since.
    """

    prompt: Prompt
    recovery: Recovery
    events: tuple[e.Event, ...] = ()
    attempts: int = 0
    starts: int = 0
    limits: int = 0
    limited_since: datetime | None = None
    resumes_at: datetime | None = None
    is_answered: bool = False
    is_interrupted: bool = False


async def read_cut_turn(database: Database, log: EventLog, session_id: SessionId) -> CutTurn | None:
    """The turn that has begun and not ended, with what to recognise; None if there is none."""
    draft = await log.take_draft(session_id)

    def read(conn: Connection) -> CutTurn | None:
        first = _beginning(conn, session_id)
        if first is None:
            return None
        rows = events.page(conn, session_id, after=first.seq or 0, limit=_ROWS, order="desc")
        turn: list[e.Event] = [first, *(e.parse_event(row.body) for row in reversed(rows))]
        is_message = draft is not None and draft.kind == "agent.message"
        recovery = Recovery(
            calls=_open_calls(turn),
            draft_id=draft.event_id if draft is not None and is_message else None,
            draft_text=draft.text if draft is not None and is_message else "",
        )
        prompt = prompt_of(first)
        return CutTurn(prompt=prompt, recovery=recovery, events=tuple(turn), **_history(turn))

    return await database.read(read)


def _beginning(conn: Connection, session_id: SessionId) -> e.UserMessage | None:
    """The message that began the newest turn: those that joined it came later."""
    rows = events.page(conn, session_id, types=("user.message",), limit=_MESSAGES, order="desc")
    for row in rows:
        event = e.parse_event(row.body)
        if isinstance(event, e.UserMessage) and not event.joined:
            return event
    return None


def _history(turn: list[e.Event]) -> dict[str, Any]:
    """What has become of the turn so far, as CutTurn's fields."""
    attempts = starts = limits = 0
    limited_since: datetime | None = None
    resumes_at: datetime | None = None
    is_interrupted = False
    for event in turn:
        if isinstance(event, e.UserInterrupt):
            is_interrupted = True
        elif isinstance(event, e.SessionStatusRescheduled):
            is_interrupted = is_interrupted and (event.loop or {}).get("reason") != "resumed"
            resumes_at = _moment((event.loop or {}).get("resumes_at"))
            if resumes_at is None:
                attempts, starts = attempts + 1, starts + 1
            else:
                limits, limited_since = limits + 1, limited_since or event.processed_at
        elif isinstance(event, e.SessionStatusRunning):
            resumes_at = None
        elif isinstance(event, e.AgentMessage | e.AgentToolUse | e.AgentToolResult):
            attempts = limits = 0
            limited_since = None
    return {
        "attempts": attempts,
        "starts": starts,
        "limits": limits,
        "limited_since": limited_since,
        "resumes_at": resumes_at,
        "is_interrupted": is_interrupted,
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _open_calls(turn: list[e.Event]) -> tuple[OpenCall, ...]:
    done = {event.tool_use_id for event in turn if isinstance(event, e.AgentToolResult)}
    done |= {event.mcp_tool_use_id for event in turn if isinstance(event, e.AgentMcpToolResult)}
    return tuple(
        OpenCall(
            event_id=event.id,
            tool_use_id=str((event.loop or {}).get("tool_use_id", "")),
            tool=str((event.loop or {}).get("tool", event.name)),
            tool_input=event.input,
        )
        for event in turn
        if isinstance(event, e.AgentToolUse | e.AgentMcpToolUse) and event.id not in done
    )
