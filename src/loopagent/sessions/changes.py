"""What people have changed in a session's files, as the agent is told with its next message."""

from __future__ import annotations

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.sessions.steering import with_loop
from loopagent.storage import events
from loopagent.storage.database import Connection

_MOST = 20
_OPENING = "Since your last turn the user has changed files in the workspace by hand:"


def told_of_changes(
    conn: Connection, session_id: SessionId, message: e.UserMessage
) -> e.UserMessage:
    """The message that begins a turn, with what has changed since the turn before, if anything."""
    wanted = (e.WorkspaceChanged.model_fields["type"].default, "user.message")
    lines: list[str] = []
    for row in events.page(conn, session_id, types=wanted, order="desc", limit=_MOST + 1):
        event = e.parse_event(row.body)
        if isinstance(event, e.UserMessage) and not event.joined:
            break
        if isinstance(event, e.WorkspaceChanged):
            lines.insert(0, f"- {event.summary}")
    if not lines:
        return message
    if len(lines) > _MOST:
        lines[0] = "- more, earlier"
    return with_loop(message, told="\n".join((_OPENING, *lines)))
