"""What the CLI has done in a cut turn and the log does not hold: read from the CLI's own record.

A server that is killed may miss the end of what its CLI said: the CLI writes it down all the same,
and a resume goes on after it. This finds that end. It imports no SDK and appends nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopagent.agent.ports import DoneCall, OpenCall, Recovery
from loopagent.agent.transcript import Entry, read_entries
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, prompt_uuid

# Results that the CLI makes up for calls that it did not carry out to their end.
_MADE_UP = ("[Tool call interrupted", "Tool permission request failed")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """A block of the conversation; `key` says the same of the same block in the log."""

    key: Key
    entry: Entry
    block: Entry


def catch_up(
    transcript: Path, prompt: EventId, turn: Sequence[e.Event], recovery: Recovery
) -> Recovery:
    """The recovery of a turn, with what the transcript holds of it and `turn`, its log, does not.

    Calls get the id by which the transcript names them now: the model may have made them anew.
    """
    branch = _branch(read_entries(transcript), prompt_uuid(prompt))
    items = list(_items(branch))
    logged = Counter(_logged(turn))
    seen: Counter[Key] = Counter()
    news = 0
    for place, item in enumerate(items, 1):
        seen[item.key] += 1
        if seen[item.key] <= logged[item.key]:
            news = place
    entries = tuple(_alone(item) for item in items[news:])
    named = {item.key: item.block["id"] for item in items[:news] if item.key[0] == "call"}
    calls = tuple(_renamed(call, named) for call in recovery.calls)
    return replace(
        recovery,
        calls=calls,
        unlogged=entries,
        done=tuple(_done(turn, seen)),
        is_recorded=bool(branch),
        # A call, or its result, is always followed by more.
        is_complete=bool(items) and items[-1].key[0] == "text",
    )


def _branch(entries: Sequence[Entry], prompt: str) -> list[Entry]:
    """From the prompt to the end, without what a resume has left behind; [] without the prompt."""
    by_id = {entry["uuid"]: entry for entry in entries if "uuid" in entry}
    branch: list[Entry] = []
    at = next((entry["uuid"] for entry in reversed(entries) if "uuid" in entry), None)
    while at in by_id:
        entry = by_id.pop(at)  # once each: an agent may have written a circle
        branch.append(entry)
        if at == prompt:
            return branch[::-1]
        at = entry.get("parentUuid")
    return []


def _items(entries: Sequence[Entry]) -> Iterator[_Item]:
    calls: dict[str, Key] = {}
    for entry in entries:
        message = entry.get("message")
        if not isinstance(message, dict) or entry.get("isApiErrorMessage"):
            continue
        content = message.get("content")
        for block in content if isinstance(content, list) else ():
            match block:
                case {"type": "text", "text": str(text)} if entry.get("type") == "assistant":
                    if message.get("model") != "<synthetic>":
                        yield _Item(("text", text), entry, block)
                case {"type": "thinking", "thinking": str(text)}:
                    yield _Item(("thinking", text), entry, block)
                case {"type": "tool_use", "id": str(call), "name": str(name)}:
                    calls[call] = _call(name, block.get("input"))
                    yield _Item(calls[call], entry, block)
                case {"type": "tool_result", "tool_use_id": str(call)} if call in calls:
                    if not str(block.get("content")).startswith(_MADE_UP):
                        yield _Item(("result", *calls[call]), entry, block)


def _logged(turn: Sequence[e.Event]) -> Iterator[Key]:
    calls: dict[str, Key] = {}
    for event in turn:
        loop = event.loop or {}
        match event:
            case e.AgentMessage() if not loop.get("partial"):
                yield ("text", e.plain_text(event.content))
            case e.AgentThinking():
                yield ("thinking", str(loop.get("text", "")))
            case e.AgentToolUse() | e.AgentMcpToolUse() if "parent" not in loop:
                calls[event.id] = _call(str(loop.get("tool", event.name)), event.input)
                yield calls[event.id]
            case e.AgentToolResult() if event.tool_use_id in calls:
                yield ("result", *calls[event.tool_use_id])
            case e.AgentMcpToolResult() if event.mcp_tool_use_id in calls:
                yield ("result", *calls[event.mcp_tool_use_id])
            case _:
                pass


def _done(turn: Sequence[e.Event], recorded: Counter[Key]) -> Iterator[DoneCall]:
    """The calls of the log whose results are not among the recorded ones."""
    left = recorded.copy()
    calls: dict[str, tuple[str, e.AgentToolUse | e.AgentMcpToolUse]] = {}
    for event in turn:
        loop = event.loop or {}
        match event:
            case e.AgentToolUse() | e.AgentMcpToolUse() if "parent" not in loop:
                calls[event.id] = (str(loop.get("tool", event.name)), event)
            case e.AgentToolResult(tool_use_id=made) | e.AgentMcpToolResult(mcp_tool_use_id=made):
                if made in calls:
                    tool, call = calls[made]
                    key = ("result", *_call(tool, call.input))
                    left[key] -= 1
                    if left[key] < 0:
                        text = e.plain_text(event.content or [])
                        yield DoneCall(
                            event_id=call.id, tool=tool, tool_input=call.input, result=text
                        )
            case _:
                pass


def _call(name: str, given: Any) -> Key:
    return ("call", name, json.dumps(given, sort_keys=True))


def _alone(item: _Item) -> Entry:
    """An entry with this one of its blocks."""
    message = {**item.entry["message"], "content": [item.block]}
    return {**item.entry, "message": message}


def _renamed(call: OpenCall, named: dict[Key, str]) -> OpenCall:
    name = named.get(_call(call.tool, call.tool_input))
    return call if name is None else replace(call, tool_use_id=name)
