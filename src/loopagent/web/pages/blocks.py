"""What a transcript is made of: one immutable record per thing that a reader sees.

Owns the records, and how a single event becomes one. How a log becomes a transcript is
`transcript.py`; how blocks look is for the templates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal

from loopagent.domain import events as e
from loopagent.domain.agent import WIRE_TO_SDK
from loopagent.domain.budget import Standing
from loopagent.domain.ids import EventId
from loopagent.web.pages import words
from loopagent.web.pages.outcomes import Answer, Result, files_in, images_in, result_of
from loopagent.web.pages.todo import Item

ToolState = Literal["running", "asking", "done", "failed", "denied", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """first, last: seq of the first and the newest event in it; 0 while it is only a draft.

    parent: the tool call of a sub-agent that it belongs to.
    """

    kind: ClassVar[str]
    id: EventId
    first: int
    last: int
    at: datetime | None = None
    parent: EventId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserBlock(Block):
    kind: ClassVar[str] = "user"
    text: str
    images: Sequence[Mapping[str, Any]] = ()
    files: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock(Block):
    """Text of the model. open: still being written; partial: cut before its end."""

    kind: ClassVar[str] = "text"
    text: str
    open: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingBlock(Block):
    kind: ClassVar[str] = "thinking"
    text: str
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBlock(Block):
    """A tool call. ended: the turn was over before it was answered or done.

    task: what it runs beside the conversation; todo: the task list, where it is the newest call.
    """

    kind: ClassVar[str] = "tool"
    tool: str
    server: str | None = None
    input: Mapping[str, Any] = field(default_factory=dict)
    permission: str | None = None
    reason: str | None = None
    answer: Answer | None = None
    result: Result | None = None
    ended: bool = False
    task: str = ""
    todo: Sequence[Item] = ()
    children: Sequence[Block] = ()

    @property
    def state(self) -> ToolState:
        if self.answer is not None and not self.answer.allowed:
            return "denied"
        if self.result is not None:
            refused = self.permission == "deny" and self.result.failed
            return "denied" if refused else "failed" if self.result.failed else "done"
        if self.ended:
            return "stopped"
        asking = self.permission == "ask" and self.answer is None
        return "asking" if asking else "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBlock(Block):
    """A failure. again_at: when the next try is due, while somebody still tries.

    is_open: it ended the turn, and nothing has come after it: somebody may let it go on.
    """

    kind: ClassVar[str] = "error"
    type: str
    message: str
    retrying: bool = False
    attempt: int | None = None
    attempts: int | None = None
    again_at: datetime | None = None
    over: bool = False
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBlock(Block):
    """A turn whose process was lost or refused, and that goes on.

    until: when it goes on, if it waits for a limit; by: who lets it go on; over: it has gone on.
    """

    kind: ClassVar[str] = "pause"
    reason: str
    message: str = ""
    attempt: int | None = None
    attempts: int | None = None
    until: datetime | None = None
    by: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnBlock(Block):
    """The end of a turn.

    cost_usd: by our metering. reported_usd: by the agent program's account, where it is another.
    cut: why its process was lost, in words, if it was; spent: the budget that stopped it.
    is_open: nothing has come after it, so that somebody may let the turn go on.
    """

    kind: ClassVar[str] = "turn"
    reason: str
    duration_ms: int | None = None
    cost_usd: float | None = None
    reported_usd: float | None = None
    tokens: int | None = None
    cut: str = ""
    spent: Standing | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteBlock(Block):
    """Something that happened to the session, in one line."""

    kind: ClassVar[str] = "note"
    icon: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownBlock(Block):
    """An event of a type that this version doesn't know: shown as it is."""

    kind: ClassVar[str] = "unknown"
    type: str
    body: str


_TASKS = {"completed": "circle-check", "failed": "circle-x", "stopped": "square"}


def block_of(event: e.Event, parent: EventId | None) -> Block:
    """The block of an event that stands for itself."""
    place = place_of(event, parent)
    loop = event.loop or {}
    note = _note(event, loop)
    if note is not None:
        return NoteBlock(**place, icon=note[0], text=note[1])
    match event:
        case e.UserMessage():
            said, content = e.plain_text(event.content), event.content
            return UserBlock(**place, text=said, images=images_in(content), files=files_in(content))
        case e.AgentMessage():
            partial = bool(loop.get("partial"))
            return TextBlock(**place, text=e.plain_text(event.content), partial=partial)
        case e.AgentThinking():
            return ThinkingBlock(**place, text=str(loop.get("text") or ""))
        case _:
            return UnknownBlock(**place, type=event.type, body=_readable(event))


def _note(event: e.Event, loop: e.Json) -> tuple[str, str] | None:
    """Icon and words of an event that is told in one line."""
    match event:
        case e.SessionUsage() if "budget" in loop:
            return "wallet", words.budget_warning(loop["budget"])
        case e.UserMessage() if loop.get("goes_on"):
            return "play", "The turn goes on"
        case e.AgentContextCompacted():
            return "history", "The conversation was summarised to make room"
        case e.TaskEnded():
            return _TASKS.get(event.status, "square"), event.summary
        case e.WorkspaceChanged():
            return "folder", event.summary
        case e.SessionStatusTerminated():
            return "ban", "The session has ended"
        case _:
            return None


def place_of(event: e.Event, parent: EventId | None) -> dict[str, Any]:
    """What every block knows of its event."""
    seq = event.seq or 0
    return {
        "id": event.id,
        "first": seq,
        "last": seq,
        "at": event.processed_at,
        "parent": parent,
    }


def _readable(event: e.Event) -> str:
    fields = json.loads(e.encode_event(event))
    hidden = {"id", "seq", "type", "processed_at"}
    shown = {name: value for name, value in fields.items() if name not in hidden}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def tool_block(event: e.AgentToolUse | e.AgentMcpToolUse, parent: EventId | None) -> ToolBlock:
    """A tool call, just made."""
    loop = event.loop or {}
    own = WIRE_TO_SDK.get(event.name, event.name)
    server = event.mcp_server_name if isinstance(event, e.AgentMcpToolUse) else None
    return ToolBlock(
        **place_of(event, parent),
        tool=event.name if server else str(loop.get("tool") or own),
        server=server,
        input=event.input,
        permission=event.evaluated_permission,
        reason=loop.get("reason"),
    )


def with_result(block: ToolBlock, event: e.AgentToolResult | e.AgentMcpToolResult) -> ToolBlock:
    """A tool call that has ended."""
    return replace(block, result=result_of(event), last=event.seq or block.last)
