"""Asks of background sub-agents: they may come, and be answered, while no turn is under way.

Functions of one transaction, as in `turns`.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.storage import asks, events, tasks
from loopagent.storage.database import Connection

_STATUSES = ("session.status_running", "session.status_rescheduled", "session.status_idle")
_LOOKED_AT = 200  # a sub-agent that asks more often than this in a row makes a turn of its own


def open_asks(conn: Connection, session_id: SessionId) -> list[EventId]:
    """Open asks of sub-agents that go on after the turn, oldest first."""
    running = tasks.running(conn, session_id)
    parents = {task.parent for task in running if task.in_background}
    if not parents:
        return []
    return [ask for ask in _open(conn, session_id) if _parent(conn, session_id, ask) in parents]


def with_open_asks(ending: Sequence[e.Event], kept: Sequence[EventId]) -> list[e.Event]:
    """The end of a turn that leaves these asks open."""
    if not kept:
        return list(ending)
    return [
        event.model_copy(update={"loop": {**(event.loop or {}), "asks": list(kept)}})
        if isinstance(event, e.SessionStatusIdle)
        else event
        for event in ending
    ]


def rest(conn: Connection, session_id: SessionId) -> e.SessionStatusIdle | None:
    """What a session without a turn is once its last ask is answered; None in a turn."""
    rows = events.page(conn, session_id, types=_STATUSES, order="desc", limit=_LOOKED_AT)
    for row in rows:
        event = e.parse_event(row.body)
        if not isinstance(event, e.SessionStatusIdle):
            return None
        if event.stop_reason.type != "requires_action":
            return e.SessionStatusIdle(stop_reason=event.stop_reason, loop={"again": True})
    return None


def _open(conn: Connection, session_id: SessionId) -> list[EventId]:
    return [ask.event_id for ask in asks.list_open(conn, session_id)]


def _parent(conn: Connection, session_id: SessionId, call: EventId) -> str | None:
    row = events.by_id(conn, session_id, call)
    event = e.parse_event(row.body) if row is not None else None
    return (event.loop or {}).get("parent") if event is not None else None
