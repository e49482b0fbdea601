"""The agent's task list, folded from its calls: the newest call shows it whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopagent.domain.ids import EventId
    from loopagent.web.pages.blocks import ToolBlock

TOOLS = frozenset({"TaskCreate", "TaskUpdate", "TodoWrite"})
_NUMBER = re.compile(r"#(\w+)")
_STATES = {"completed": "done", "in_progress": "doing", "deleted": "gone"}


@dataclass(frozen=True, slots=True)
class Item:
    """One task. state: open, doing or done."""

    words: str
    state: str


class TodoList:
    """All tasks that have been seen, in order. at: the call that shows them."""

    def __init__(self) -> None:
        self.at: EventId | None = None
        self._items: dict[str, Item] = {}

    def note(self, block: ToolBlock) -> bool:
        """Take in a call that has ended well; False if it says nothing of tasks."""
        if block.tool not in TOOLS or block.result is None or block.result.failed:
            return False
        given = block.input
        match block.tool:
            case "TaskCreate":
                key = _created(block.result.details, block.result.text)
                self._items[key] = Item(str(given.get("subject") or "A task"), "open")
            case "TaskUpdate":
                self._update(str(given.get("taskId") or ""), given)
            case _:
                self._items = dict(_given(given.get("todos")))
        return True

    def items(self) -> tuple[Item, ...]:
        """The tasks that are not deleted."""
        return tuple(item for item in self._items.values() if item.state != "gone")

    def _update(self, key: str, given: Mapping[str, Any]) -> None:
        known = self._items.get(key, Item(f"Task {key}", "open"))
        status = given.get("status")
        state = known.state if status is None else _STATES.get(str(status), "open")
        self._items[key] = Item(str(given.get("subject") or known.words), state)


def _created(details: Any, text: str) -> str:
    task = details.get("task") if isinstance(details, Mapping) else None
    if isinstance(task, Mapping) and task.get("id") is not None:
        return str(task["id"])
    found = _NUMBER.search(text)
    return found[1] if found else text


def _given(todos: Any) -> Sequence[tuple[str, Item]]:
    """The tasks of a call that gives them all."""
    return [
        (
            str(number),
            Item(str(todo.get("content", "")), _STATES.get(str(todo.get("status")), "open")),
        )
        for number, todo in enumerate(todos if isinstance(todos, list) else ())
        if isinstance(todo, Mapping)
    ]
