"""What a cut turn left in the log: read once, before the turn is run again."""

from __future__ import annotations

from dataclasses import dataclass

from loopagent.agent.ports import OpenCall, Prompt, Recovery, Verdict
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.log import EventLog
from loopagent.storage import asks, events
from loopagent.storage.asks import Ask
from loopagent.storage.database import Connection, Database

MAX_ATTEMPTS = 3
_ROWS = 5000  # a turn longer than this is recovered from its last rows


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTurn:
    """The unfinished turn of a session.

    attempts: how often it has been started again already.
    """

    prompt: Prompt
    recovery: Recovery
    attempts: int


async def read_cut_turn(database: Database, log: EventLog, session_id: SessionId) -> CutTurn | None:
    """The turn that has begun and not ended, with what to recognise; None if there is none."""
    draft = await log.take_draft(session_id)

    def read(conn: Connection) -> CutTurn | None:
        rows = events.page(conn, session_id, limit=_ROWS, order="desc")
        turn: list[e.Event] = []
        for row in rows:
            event = e.parse_event(row.body)
            turn.append(event)
            if isinstance(event, e.UserMessage):
                break
        turn.reverse()
        if not turn or not isinstance(turn[0], e.UserMessage):
            return None
        answered = {ask.event_id: ask for ask in asks.of_session(conn, session_id)}
        is_message = draft is not None and draft.kind == "agent.message"
        recovery = Recovery(
            calls=_open_calls(turn, answered),
            draft_id=draft.event_id if draft is not None and is_message else None,
            draft_text=draft.text if draft is not None and is_message else "",
        )
        attempts = sum(isinstance(event, e.SessionStatusRescheduled) for event in turn)
        first = turn[0]
        return CutTurn(
            prompt=Prompt(event_id=first.id, content=list(first.content)),
            recovery=recovery,
            attempts=attempts,
        )

    return await database.read(read)


def _open_calls(turn: list[e.Event], answered: dict[EventId, Ask]) -> tuple[OpenCall, ...]:
    done = {event.tool_use_id for event in turn if isinstance(event, e.AgentToolResult)}
    done |= {event.mcp_tool_use_id for event in turn if isinstance(event, e.AgentMcpToolResult)}
    return tuple(
        OpenCall(
            event_id=event.id,
            tool=str((event.loop or {}).get("tool", event.name)),
            tool_input=event.input,
            verdict=_verdict(answered.get(event.id)),
        )
        for event in turn
        if isinstance(event, e.AgentToolUse | e.AgentMcpToolUse) and event.id not in done
    )


def _verdict(ask: Ask | None) -> Verdict | None:
    if ask is None or ask.status not in {"allowed", "denied"}:
        return None
    return Verdict(
        allow=ask.status == "allowed", message=ask.message, updated_input=ask.updated_input
    )
