"""The known tools: what each is called, what it works on, what it wants."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_WORKSPACE = re.compile(r"^.*/sesn_[0-9a-z]+/workspace(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolForm:
    icon: str
    name: str
    title: Callable[[Mapping[str, Any]], str]
    wants: str
    code: bool = False


def _field(*names: str) -> Callable[[Mapping[str, Any]], str]:
    def title(given: Mapping[str, Any]) -> str:
        return next((str(given[name]) for name in names if given.get(name)), "")

    return title


def _path(*names: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda given: short_path(_field(*names)(given))


def _task(given: Mapping[str, Any]) -> str:
    status = str(given.get("status") or "").replace("_", " ")
    return f"Task {given.get('taskId', '')} {status}".strip()


FORMS: Mapping[str, ToolForm] = {
    "Bash": ToolForm(
        icon="terminal", name="Bash", title=_field("command"), wants="run a command", code=True
    ),
    "Read": ToolForm(
        icon="file-text", name="Read", title=_path("file_path"), wants="read a file", code=True
    ),
    "Write": ToolForm(
        icon="file-plus", name="Write", title=_path("file_path"), wants="write a file", code=True
    ),
    "Edit": ToolForm(
        icon="pencil", name="Edit", title=_path("file_path"), wants="change a file", code=True
    ),
    "Glob": ToolForm(
        icon="folder-search", name="Find files", title=_field("pattern"),
        wants="look for files", code=True,
    ),
    "Grep": ToolForm(
        icon="text-search", name="Search", title=_field("pattern"),
        wants="search in files", code=True,
    ),
    "WebFetch": ToolForm(icon="globe", name="Open page", title=_field("url"), wants="open a web page"),
    "WebSearch": ToolForm(
        icon="search", name="Search the web", title=_field("query"), wants="search the web"
    ),
    "TaskCreate": ToolForm(
        icon="list-todo", name="New task", title=_field("subject"), wants="note a task"
    ),
    "TaskUpdate": ToolForm(icon="list-todo", name="Task", title=_task, wants="update a task"),
    "TodoWrite": ToolForm(
        icon="list-todo", name="Tasks", title=lambda _: "", wants="update its tasks"
    ),
    "TaskList": ToolForm(
        icon="list-todo", name="Tasks", title=lambda _: "", wants="look at its tasks"
    ),
    "Agent": ToolForm(
        icon="bot", name="Sub-agent", title=_field("description", "prompt"),
        wants="start a sub-agent",
    ),
    "AskUserQuestion": ToolForm(
        icon="circle-question-mark", name="Question", title=lambda _: "", wants="ask you something"
    ),
    "ExitPlanMode": ToolForm(
        icon="list-todo", name="Plan", title=lambda _: "", wants="carry out this plan"
    ),
}  # fmt: skip


def short_path(path: str) -> str:
    """A path inside the session's workspace, seen from there."""
    return _WORKSPACE.sub("", path) or "."
