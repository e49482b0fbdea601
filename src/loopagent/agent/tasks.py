"""Sub-agents and background commands, by what the CLI tells of them. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from claude_agent_sdk import (
    Message,
    TaskNotificationMessage,
    TaskStartedMessage,
    TaskUpdatedMessage,
)

from loopagent.domain import events as e
from loopagent.domain.ids import EventId

_LONGEST_SUMMARY = 2000
_OVER = {"completed": "completed", "failed": "failed", "killed": "stopped", "stopped": "stopped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. tool_use_id: the model's id of the call that began it."""

    id: str
    kind: str
    description: str
    tool_use_id: str | None
    in_background: bool

    @property
    def is_shown(self) -> bool:
        """A command in the foreground is no more than its call."""
        return self.in_background or self.kind != "local_bash"


class Tasks:
    """The tasks of one process. event_of: the event of a call, by the model's id of it."""

    def __init__(self, event_of: Callable[[str], EventId | None]) -> None:
        self._event_of = event_of
        self._hidden: dict[str, Task] = {}
        self._ending: dict[str, str] = {}
        self.running: dict[str, Task] = {}

    def runs_beside(self, tool_use_id: str) -> bool:
        """Whether what this call began goes on after the turn."""
        return any(t.in_background and t.tool_use_id == tool_use_id for t in self.running.values())

    def read(self, message: Message) -> Iterator[e.TaskStarted | e.TaskEnded]:
        """The events of one message."""
        if not isinstance(message, TaskNotificationMessage):
            # The words about an end come with the next message, or not at all.
            for task_id, status in list(self._ending.items()):
                yield from self._end(task_id, status, "")
        match message:
            case TaskStartedMessage():
                yield from self._start(_task(message))
            case TaskUpdatedMessage():
                yield from self._update(message.task_id, message.patch)
            case TaskNotificationMessage():
                yield from self._end(message.task_id, message.status, message.summary)
            case _:
                pass

    def _start(self, task: Task) -> Iterator[e.TaskStarted]:
        if not task.is_shown:
            self._hidden[task.id] = task
            return
        self.running[task.id] = task
        yield e.TaskStarted(
            task_id=task.id,
            kind=task.kind,
            description=task.description,
            loop=self._place(task),
        )

    def _update(self, task_id: str, patch: dict[str, Any]) -> Iterator[e.TaskStarted]:
        if patch.get("is_backgrounded") and task_id in self._hidden:
            hidden = self._hidden.pop(task_id)
            yield from self._start(
                Task(
                    id=hidden.id,
                    kind=hidden.kind,
                    description=hidden.description,
                    tool_use_id=hidden.tool_use_id,
                    in_background=True,
                )
            )
        if patch.get("status") in _OVER:
            self._hidden.pop(task_id, None)
            if task_id in self.running:
                self._ending[task_id] = str(patch["status"])

    def _end(self, task_id: str, status: str, summary: str) -> Iterator[e.TaskEnded]:
        self._ending.pop(task_id, None)
        self._hidden.pop(task_id, None)
        task = self.running.pop(task_id, None)
        if task is not None:
            yield e.TaskEnded(
                task_id=task.id,
                status=_OVER.get(status, "stopped"),
                summary=(summary or task.description)[:_LONGEST_SUMMARY],
                loop=self._place(task),
            )

    def _place(self, task: Task) -> e.Json:
        place: e.Json = {"background": task.in_background}
        if task.tool_use_id is not None:
            parent = self._event_of(task.tool_use_id)
            place |= {"tool_use_id": task.tool_use_id} | ({"parent": parent} if parent else {})
        return place


def _task(message: TaskStartedMessage) -> Task:
    return Task(
        id=message.task_id,
        kind=message.task_type or "unknown",
        description=message.description,
        tool_use_id=message.tool_use_id,
        in_background=bool(message.data.get("is_backgrounded")),
    )
