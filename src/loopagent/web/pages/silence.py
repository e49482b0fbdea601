"""Events that say nothing of their own to a reader of the transcript."""

from __future__ import annotations

from loopagent.domain import events as e

_SILENT = (
    e.UserInterrupt
    | e.Stopping
    | e.SessionStatusRunning
    | e.SessionUpdated
    | e.SessionDeleted
    | e.ModelRequestStart
    | e.ModelRequestEnd
    | e.TaskStarted
)


def is_silent(event: e.Event) -> bool:
    """Whether an event says nothing of its own to a reader."""
    is_tally = isinstance(event, e.SessionUsage) and "budget" not in (event.loop or {})
    return is_tally or isinstance(event, _SILENT)
