"""The event union of the Managed Agents wire format: one immutable row of a session's log.

The records follow the public types of that API (`anthropic` package, beta sessions). Unknown
types and unknown fields are kept verbatim. What is ours lives in the field `loop`, which the
official clients ignore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from loopagent.domain.content import (
    Block,
    Json,
    OtherBlock,
    Record,
    SourceBlock,
    TextBlock,
    plain_text,
    text_block,
)
from loopagent.domain.failure import ErrorBody, RetryStatusBody
from loopagent.domain.ids import EventId, new_event_id
from loopagent.domain.text import well_formed_json

__all__ = ["Block", "ErrorBody", "Json", "OtherBlock", "RetryStatusBody", "SourceBlock"]
__all__ += ["TextBlock", "plain_text", "text_block"]

SendMode = Literal["queue", "steer", "interrupt"]


class _Event(Record):
    id: EventId = Field(default_factory=new_event_id)
    seq: int | None = None
    processed_at: datetime | None = None
    loop: Json | None = None


class UserMessage(_Event):
    """`loop`: {mode: how it was sent, joined: it entered a turn under way, told: words before it}."""

    type: Literal["user.message"] = "user.message"
    content: list[Block]

    @property
    def mode(self) -> SendMode:
        mode: SendMode = (self.loop or {}).get("mode") or "queue"
        return mode

    @property
    def joined(self) -> bool:
        """Whether it entered a turn under way, and began none."""
        return bool((self.loop or {}).get("joined"))


class UserInterrupt(_Event):
    type: Literal["user.interrupt"] = "user.interrupt"


class UserToolConfirmation(_Event):
    """The answer to an ask. `loop`: {updated_input?, answered_by?, always?}."""

    type: Literal["user.tool_confirmation"] = "user.tool_confirmation"
    tool_use_id: EventId
    result: Literal["allow", "deny"]
    deny_message: str | None = None


class AgentMessage(_Event):
    """Text of the model. `loop.partial` is true where the turn was cut before its end."""

    type: Literal["agent.message"] = "agent.message"
    content: list[Block]


class AgentThinking(_Event):
    """`loop.text` holds the thinking; the hosted API sends none."""

    type: Literal["agent.thinking"] = "agent.thinking"


class AgentToolUse(_Event):
    """A tool call. `loop`: {tool_use_id (the model's), tool (the SDK's name), reason, parent}."""

    type: Literal["agent.tool_use"] = "agent.tool_use"
    name: str
    input: Json
    evaluated_permission: Literal["allow", "ask", "deny"] | None = None


class AgentToolResult(_Event):
    """`tool_use_id` is the id of the agent.tool_use event. `loop.result`: the SDK's details."""

    type: Literal["agent.tool_result"] = "agent.tool_result"
    tool_use_id: EventId
    content: list[Block] | None = None
    is_error: bool | None = None


class AgentMcpToolUse(_Event):
    type: Literal["agent.mcp_tool_use"] = "agent.mcp_tool_use"
    mcp_server_name: str
    name: str
    input: Json
    evaluated_permission: Literal["allow", "ask", "deny"] | None = None


class AgentMcpToolResult(_Event):
    type: Literal["agent.mcp_tool_result"] = "agent.mcp_tool_result"
    mcp_tool_use_id: EventId
    content: list[Block] | None = None
    is_error: bool | None = None


class AgentContextCompacted(_Event):
    type: Literal["agent.thread_context_compacted"] = "agent.thread_context_compacted"


class StopReason(Record):
    """Why a session is idle; `event_ids` lists the open asks of `requires_action`."""

    type: str
    event_ids: list[EventId] | None = Field(default=None, exclude_if=lambda ids: ids is None)


class SessionStatusRunning(_Event):
    type: Literal["session.status_running"] = "session.status_running"


class SessionStatusIdle(_Event):
    """The end of a turn. `loop.turn`: {duration_ms, cost_usd, usage} of that turn."""

    type: Literal["session.status_idle"] = "session.status_idle"
    stop_reason: StopReason


class SessionStatusRescheduled(_Event):
    type: Literal["session.status_rescheduled"] = "session.status_rescheduled"


class SessionStatusTerminated(_Event):
    type: Literal["session.status_terminated"] = "session.status_terminated"


class SessionUpdated(_Event):
    """Changed fields of the session (`title`, `metadata`, `archived_at`) as extra fields."""

    type: Literal["session.updated"] = "session.updated"


class SessionUsage(_Event):
    """Running totals of the session in the wire's shape."""

    type: Literal["session.usage"] = "session.usage"
    usage: Json


class SessionError(_Event):
    """`loop`: {attempt?, max_retries?, retry_in_ms?} while the CLI retries by itself."""

    type: Literal["session.error"] = "session.error"
    error: ErrorBody


class SessionDeleted(_Event):
    type: Literal["session.deleted"] = "session.deleted"


class ModelRequestStart(_Event):
    type: Literal["span.model_request_start"] = "span.model_request_start"


class ModelRequestEnd(_Event):
    type: Literal["span.model_request_end"] = "span.model_request_end"
    model_request_start_id: EventId
    is_error: bool | None = None
    model_usage: Json


class TaskStarted(_Event):
    """A sub-agent, or a command in the background. `loop`: {tool_use_id, parent, background}."""

    type: Literal["loop.task_started"] = "loop.task_started"
    task_id: str
    kind: str
    description: str


class TaskEnded(_Event):
    """`status` is completed, failed or stopped; `loop`: {parent: the event of its call}."""

    type: Literal["loop.task_ended"] = "loop.task_ended"
    task_id: str
    status: str
    summary: str


class Stopping(_Event):
    """A further step to stop a turn: its process is told to end (terminate), or killed (kill)."""

    type: Literal["loop.stopping"] = "loop.stopping"
    step: str


class WorkspaceChanged(_Event):
    """A person has changed files: the agent is told with the next message. `loop`: {by: a name}."""

    type: Literal["loop.workspace_changed"] = "loop.workspace_changed"
    summary: str


class UnknownEvent(_Event):
    """An event of a type that this version doesn't know, kept verbatim."""

    type: str


KnownEvent = (
    UserMessage
    | UserInterrupt
    | UserToolConfirmation
    | AgentMessage
    | AgentThinking
    | AgentToolUse
    | AgentToolResult
    | AgentMcpToolUse
    | AgentMcpToolResult
    | AgentContextCompacted
    | SessionStatusRunning
    | SessionStatusIdle
    | SessionStatusRescheduled
    | SessionStatusTerminated
    | SessionUpdated
    | SessionUsage
    | SessionError
    | SessionDeleted
    | ModelRequestStart
    | ModelRequestEnd
    | TaskStarted
    | TaskEnded
    | Stopping
    | WorkspaceChanged
)
Event = KnownEvent | UnknownEvent
UserEvent = UserMessage | UserInterrupt | UserToolConfirmation

_KNOWN: dict[str, type[KnownEvent]] = {
    kind.model_fields["type"].default: kind for kind in KnownEvent.__args__
}
_USER = TypeAdapter[UserEvent](Annotated[UserEvent, Field(discriminator="type")])

E = TypeVar("E", bound=_Event)


def parse_event(data: str | bytes | Mapping[str, Any]) -> Event:
    """An event from its JSON text or object; unknown types become UnknownEvent.

    Raises ValueError if it is no object with a type, or a known type lacks its fields.
    """
    fields = json.loads(data) if isinstance(data, str | bytes) else data
    name = fields.get("type") if isinstance(fields, Mapping) else None
    kind = _KNOWN.get(name, UnknownEvent) if isinstance(name, str) else UnknownEvent
    return kind.model_validate(fields)


def parse_user_event(data: Mapping[str, Any]) -> UserEvent:
    """An event that a client may send; raises ValueError for any other type."""
    return _USER.validate_python(data)


def encode_event(event: Event) -> str:
    """The wire's JSON text of an event: absent fields are left out, `processed_at` never."""
    absent = {name for name in type(event).model_fields if getattr(event, name) is None}
    if isinstance(event, UnknownEvent):
        absent -= event.model_fields_set - {"processed_at"}
    try:
        text = event.model_dump_json(exclude=absent)
    except PydanticSerializationError:  # half a character somewhere, which no UTF-8 can hold
        text = to_json(well_formed_json(event.model_dump(exclude=absent))).decode()
    return text if event.processed_at else text[:-1] + ',"processed_at":null}'


def processed(event: E, seq: int, at: datetime) -> E:
    """`event` with its place in the log."""
    return event.model_copy(update={"seq": seq, "processed_at": at})


def now() -> datetime:
    """The present time, UTC, in whole microseconds."""
    return datetime.now(UTC)
