"""What else is written with the rows of a log: asks, and large output kept aside."""

from __future__ import annotations

from collections.abc import Container

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.money import to_dollars
from loopagent.domain.session import Session
from loopagent.storage import asks, blobs, events, tasks, usage
from loopagent.storage.asks import Ask
from loopagent.storage.database import Connection
from loopagent.storage.tasks import RunningTask

BLOB_BYTES = 32_000
_PREVIEW = 4_000

ToolResult = e.AgentToolResult | e.AgentMcpToolResult


def project(conn: Connection, before: Session, event: e.Event) -> None:
    """Keep the tables of asks and of tasks in step with the log.

    Raises AlreadyAnsweredError or NotFoundError for an answer that comes too late.
    """
    match event:
        case e.AgentToolUse() | e.AgentMcpToolUse() if event.evaluated_permission == "ask":
            loop = event.loop or {}
            ask = Ask(
                event_id=event.id,
                session_id=before.id,
                tool=str(loop.get("tool", event.name)),
                tool_input=event.input,
                reason=str(loop.get("reason", "")),
                created_at=event.processed_at or e.now(),
            )
            asks.insert_ask(conn, ask)
        case e.UserToolConfirmation():
            _answer(conn, before, event)
        case e.AgentToolResult() if event.tool_use_id in before.asks:
            asks.cancel(conn, before.id, event.tool_use_id)
        case e.AgentMcpToolResult() if event.mcp_tool_use_id in before.asks:
            asks.cancel(conn, before.id, event.mcp_tool_use_id)
        case e.SessionStatusIdle() if event.stop_reason.type != "requires_action":
            _close_asks(conn, before, (event.loop or {}).get("asks", ()))
        case e.SessionStatusTerminated():
            _close_asks(conn, before, ())
        case e.TaskStarted():
            tasks.put(conn, _task(conn, before, event))
        case e.TaskEnded():
            tasks.remove(conn, before.id, event.task_id)
        case _:
            pass


def _close_asks(conn: Connection, session: Session, kept: Container[EventId]) -> None:
    for event_id in session.asks:
        if event_id not in kept:
            asks.cancel(conn, session.id, event_id)


def _task(conn: Connection, session: Session, event: e.TaskStarted) -> RunningTask:
    loop = event.loop or {}
    parent: EventId | None = loop.get("parent")
    row = events.by_id(conn, session.id, parent) if parent else None
    call = e.parse_event(row.body) if row is not None else None
    given = call.input if isinstance(call, e.AgentToolUse) else {}
    return RunningTask(
        session_id=session.id,
        task_id=event.task_id,
        event_id=event.id,
        kind=event.kind,
        description=event.description,
        command=str(given["command"]) if "command" in given else None,
        parent=parent,
        in_background=bool(loop.get("background")),
        started_at=event.processed_at or e.now(),
    )


def _answer(conn: Connection, session: Session, event: e.UserToolConfirmation) -> None:
    loop = event.loop or {}
    asks.answer(
        conn,
        session.id,
        event.tool_use_id,
        "allowed" if event.result == "allow" else "denied",
        at=event.processed_at or e.now(),
        by=loop.get("answered_by"),
        message=event.deny_message,
        updated_input=loop.get("updated_input"),
    )


def set_aside(conn: Connection, session: Session, event: e.Event) -> e.Event:
    """The event, with text over 32 kB replaced by its beginning; the whole is kept aside."""
    if not isinstance(event, ToolResult) or not event.content:
        return event
    text = e.plain_text(event.content)
    size = len(text.encode())
    if size <= BLOB_BYTES:
        return event
    blobs.put(conn, session.id, event.id, text)
    others = [block for block in event.content if not isinstance(block, e.TextBlock)]
    return event.model_copy(
        update={
            "content": [e.text_block(text[:_PREVIEW]), *others],
            "loop": {**(event.loop or {}), "blob": True, "bytes": size},
        }
    )


def with_metered_cost(conn: Connection, session: Session, event: e.Event) -> e.Event:
    """The end of a turn with what our own metering has counted since the last one."""
    if not isinstance(event, e.SessionStatusIdle) or event.stop_reason.type == "requires_action":
        return event
    cost = usage.count_in(conn, session.id, event.id)
    if cost is None:
        return event
    turn = {**((event.loop or {}).get("turn") or {}), "metered_usd": float(to_dollars(cost))}
    return event.model_copy(update={"loop": {**(event.loop or {}), "turn": turn}})
