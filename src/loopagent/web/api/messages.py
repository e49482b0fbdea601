"""The log in short: who said or did what, one readable entry each."""

from __future__ import annotations

from typing import Any

from loopagent.domain import events as e

TYPES = (
    "user.message",
    "agent.message",
    "agent.tool_use",
    "agent.tool_result",
    "agent.mcp_tool_use",
    "agent.mcp_tool_result",
    "session.error",
)


def short_message(event: e.Event) -> dict[str, Any] | None:
    """An entry {seq, id, type, role, text, at, …}; None for events that are not shown."""
    said = _said(event)
    if said is None:
        return None
    head = {"seq": event.seq, "id": event.id, "type": event.type, "at": event.processed_at}
    return head | said


def _said(event: e.Event) -> dict[str, Any] | None:
    match event:
        case e.UserMessage():
            return {"role": "user", "text": _text(event.content)}
        case e.AgentMessage():
            partial = bool((event.loop or {}).get("partial"))
            return {"role": "assistant", "text": _text(event.content), "partial": partial}
        case e.AgentToolUse() | e.AgentMcpToolUse():
            called = {"role": "tool", "text": event.name, "name": event.name}
            return called | {"input": event.input, "permission": event.evaluated_permission}
        case e.AgentToolResult():
            return _result(event, event.tool_use_id)
        case e.AgentMcpToolResult():
            return _result(event, event.mcp_tool_use_id)
        case e.SessionError():
            return {"role": "error", "text": event.error.message, "error": event.error.type}
        case _:
            return None


def _result(result: e.AgentToolResult | e.AgentMcpToolResult, call: str) -> dict[str, Any]:
    text = _text(result.content or [])
    shown = {"role": "tool", "text": text, "tool_use_id": call, "is_error": bool(result.is_error)}
    return shown | ({"shortened": True} if (result.loop or {}).get("blob") else {})


def _text(content: list[e.Block]) -> str:
    """The blocks' text; what isn't text is named in brackets."""
    parts = [
        block.text if isinstance(block, e.TextBlock) else f"[{block.type}]" for block in content
    ]
    return "\n".join(part for part in parts if part) if len(parts) > 1 else "".join(parts)
