"""How turns fail, pause and end: the blocks of these events, and what they say.

Owns the words. Which block is still open is for `transcript.py`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from loopagent.domain import events as e
from loopagent.domain.budget import Standing, standing_of
from loopagent.domain.ids import EventId
from loopagent.domain.money import differs, format_dollars, to_dollars
from loopagent.domain.session import turn_costs
from loopagent.web.pages import words
from loopagent.web.pages.blocks import (
    Block,
    ErrorBlock,
    NoteBlock,
    PauseBlock,
    TurnBlock,
    place_of,
)

_ENDINGS = {
    "interrupted": "Stopped",
    "retries_exhausted": "Failed",
    "budget_reached": "Budget reached",
}

_STOPPING = {
    "terminate": "The agent does not react: its process is told to end…",
    "kill": "The agent's process is killed…",
}


def error_block(event: e.SessionError, before: Block | None) -> Block:
    """A failure; `before` is the block of earlier tries of the same request, if there is one."""
    loop = event.loop or {}
    if event.error.type == "record_lost_error":
        # Nothing failed for the reader: the agent goes on, and he should know from what.
        return NoteBlock(**place_of(event, None), icon="triangle-alert", text=event.error.message)
    wait = loop.get("retry_in_ms")
    again = None
    if wait is not None and event.processed_at:
        again = event.processed_at + timedelta(milliseconds=wait)
    block = ErrorBlock(
        **place_of(event, None),
        type=event.error.type,
        message=event.error.message,
        retrying=event.error.retry_status.type == "retrying",
        attempt=loop.get("attempt"),
        attempts=loop.get("max_retries"),
        again_at=again,
    )
    # Tries of one request are one block that counts, not a row of them.
    return block if before is None else replace(block, id=before.id, first=before.first)


def stop_note(note_id: EventId, event: e.UserInterrupt | e.Stopping) -> NoteBlock:
    """What is being done to stop a turn: like a draft, it is no part of what stays."""
    step = event.step if isinstance(event, e.Stopping) else ""
    text = _STOPPING.get(step, "Stopping…")
    return NoteBlock(id=note_id, first=0, last=0, icon="square", text=text)


def pause_block(event: e.SessionStatusRescheduled) -> PauseBlock:
    """A turn that goes on, now or later."""
    loop = event.loop or {}
    until = loop.get("resumes_at")
    return PauseBlock(
        **place_of(event, None),
        reason=str(loop.get("reason") or "process_crashed_error"),
        message=str(loop.get("message") or ""),
        attempt=loop.get("attempt"),
        attempts=loop.get("max_attempts"),
        until=datetime.fromisoformat(until) if until else None,
        by=str(loop.get("by") or ""),
    )


def turn_block(event: e.SessionStatusIdle) -> TurnBlock:
    """The end of a turn."""
    loop = event.loop or {}
    turn = loop.get("turn") or {}
    metered, reported = turn_costs(turn)
    usage = turn.get("usage") or {}
    tokens = sum(value for value in usage.values() if isinstance(value, int))
    return TurnBlock(
        **place_of(event, None),
        reason=event.stop_reason.type,
        duration_ms=turn.get("duration_ms"),
        cost_usd=metered / 1_000_000,
        reported_usd=reported / 1_000_000 if differs(metered, reported) else None,
        tokens=tokens or None,
        cut=str((loop.get("cut") or {}).get("message") or ""),
        spent=standing_of((event.stop_reason.model_extra or {}).get("loop")),
    )


def ends_all(event: e.Event) -> bool:
    """Whether a turn that has ended can't go on by a button any more."""
    if isinstance(event, e.SessionUpdated):
        return "archived_at" in (event.model_extra or {})
    return isinstance(
        event,
        e.UserMessage
        | e.SessionStatusRunning
        | e.SessionStatusRescheduled
        | e.SessionStatusTerminated
        | e.SessionStatusIdle,
    )


def turn_facts(turn: TurnBlock) -> list[str]:
    """How a turn ended, how long it took, what it cost."""
    ending = _ENDINGS.get(turn.reason)
    facts = [ending] if ending else []
    if turn.duration_ms is not None:
        facts.append(words.duration(turn.duration_ms))
    if turn.cost_usd:
        facts.append(words.dollars(turn.cost_usd))
    if turn.reported_usd is not None:
        facts.append(f"{words.dollars(turn.reported_usd)} by the agent program's account")
    if turn.tokens:
        facts.append(f"{words.count(turn.tokens)} tokens")
    return facts


def pause_words(pause: PauseBlock) -> str:
    """What happened, and what becomes of the turn; where it waits, a time follows."""
    if pause.reason == "server_stopped":
        what = "The server was stopped in this turn"
        return f"{what}, which then went on" if pause.over else f"{what}. It goes on now"
    if pause.reason == "resumed":
        return f"{pause.by or 'Somebody'} let the turn go on"
    what = words.error_words(pause.reason, "").title
    if pause.until is not None:
        went_on = f"{what}: the turn waited, then went on by itself"
        return went_on if pause.over else f"{what}. The turn goes on by itself in"
    count = f" ({pause.attempt} of {pause.attempts})" if pause.attempt and pause.attempts else ""
    return f"{what}: started again{count}" if pause.over else f"{what}. Starting it again{count}"


def spent_words(spent: Standing) -> str:
    """How far a budget is spent."""
    return f"{spent.whose}: {format_dollars(spent.spent)} of {format_dollars(spent.limit)} spent."


def raised(spent: Standing) -> str:
    """The limit that is proposed, for a field."""
    return to_dollars(spent.raised())
