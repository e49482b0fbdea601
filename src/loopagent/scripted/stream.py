"""Writing a round as the Messages API does: as server-sent events on a schedule, or as one body.

The frames are planned by a pure generator that knows when each is due; sending keeps to that
absolute schedule, so that late wake-ups do not add up, and joins what is due into one write.
"""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Cut, Pause, Round, StreamError, Text, ToolCall

_PIECES = re.compile(r"\S+\s*|\s+")
# Large enough for few system calls at full pace, small enough to let others run in between.
_BATCH_BYTES = 32_768
_SIGNATURE = "c2NyaXB0ZWQ="


class StreamCut(Exception):
    """The script wants the connection closed now."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes and when they are due, in seconds after the start; None cuts the connection."""

    at: float
    data: bytes | None


class _Plan:
    """The frames of one reply, made in order."""

    def __init__(self, reply: Round, conversation: Conversation) -> None:
        self._reply = reply
        self._conversation = conversation
        self._at = 0.0
        self._index = 0
        self._deltas = 0
        cuts = [s.after for s in reply.steps if isinstance(s, Cut) and s.after is not None]
        self._cut_after = min(cuts, default=None)

    def frames(self) -> Iterator[Frame]:
        steps = list(self._reply.steps)
        while steps and isinstance(first := steps[0], Pause):
            self._at += 0 if first.before else first.seconds
            steps.pop(0)
        start = message(self._reply, self._conversation, started=True)
        yield self._frame("message_start", {"message": start})
        yield self._frame("ping", {})
        for step in steps:
            if isinstance(step, Pause):
                self._at += 0 if step.before else step.seconds
            elif isinstance(step, Cut) and step.after is None:
                yield Frame(self._at, None)
            elif isinstance(step, StreamError):
                error = {"type": step.kind, "message": "The script ends this stream with an error."}
                yield self._frame("error", {"error": error})
                return
            elif isinstance(step, Text):
                yield from self._text(step)
            elif isinstance(step, ToolCall):
                yield from self._tool(step)
        yield from self._end()

    def _end(self) -> Iterator[Frame]:
        if self._cut_after is not None:
            yield Frame(self._at, None)
        end = {"stop_reason": self._reply.stop_reason, "stop_sequence": None}
        usage = {"output_tokens": _output_tokens(self._reply)}
        yield self._frame("message_delta", {"delta": end, "usage": usage})
        yield self._frame("message_stop", {})

    def _frame(self, kind: str, fields: dict[str, Any]) -> Frame:
        return Frame(self._at, _event(kind, fields))

    def _text(self, step: Text) -> Iterator[Frame]:
        thinking = step.kind == "thinking"
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        block = empty if thinking else {"type": "text", "text": ""}
        yield self._frame("content_block_start", {"index": self._index, "content_block": block})
        kind, field = ("thinking_delta", "thinking") if thinking else ("text_delta", "text")
        # The constant part is written once: encoding every delta whole would halve the pace.
        head = _event("content_block_delta", {"index": self._index, "delta": {"type": kind}})
        prefix = head[:-4] + b', "%s": ' % field.encode()
        began = self._at
        for number, piece in enumerate(pieces(step)):
            if step.pace:
                self._at = began + number / step.pace
            yield from self._delta(prefix + json.dumps(piece).encode() + b"}}\n\n")
        if step.pace and step.text:
            self._at += 1 / step.pace
        if thinking:
            signed = {"type": "signature_delta", "signature": _SIGNATURE}
            yield self._frame("content_block_delta", {"index": self._index, "delta": signed})
        yield from self._block_stop()

    def _tool(self, step: ToolCall) -> Iterator[Frame]:
        block = {"type": "tool_use", "id": _tool_id(), "name": step.name, "input": {}}
        yield self._frame("content_block_start", {"index": self._index, "content_block": block})
        encoded = json.dumps(dict(step.input))
        size = max(16, -(-len(encoded) // 8))
        for begin in range(0, len(encoded), size):
            delta = {"type": "input_json_delta", "partial_json": encoded[begin : begin + size]}
            data = _event("content_block_delta", {"index": self._index, "delta": delta})
            yield from self._delta(data)
        yield from self._block_stop()

    def _delta(self, data: bytes) -> Iterator[Frame]:
        if self._deltas == self._cut_after:
            yield Frame(self._at, None)
        self._deltas += 1
        yield Frame(self._at, data)

    def _block_stop(self) -> Iterator[Frame]:
        yield self._frame("content_block_stop", {"index": self._index})
        self._index += 1


def plan(reply: Round, conversation: Conversation) -> Iterator[Frame]:
    """Give the frames of a streamed reply in order."""
    return _Plan(reply, conversation).frames()


def pieces(step: Text) -> Iterator[str]:
    """Cut a text into what each delta carries; joined they are the text again."""
    if step.chars:
        for begin in range(0, len(step.text), step.chars):
            yield step.text[begin : begin + step.chars]
        return
    held: list[str] = []
    for match in _PIECES.finditer(step.text):
        held.append(match[0])
        if len(held) == step.words:
            yield "".join(held)
            held.clear()
    if held:
        yield "".join(held)


def message(reply: Round, conversation: Conversation, *, started: bool = False) -> dict[str, Any]:
    """Give the message of a reply: whole, or as it looks when the stream starts."""
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": conversation.model,
        "content": [] if started else [_block(step) for step in reply.content],
        "stop_reason": None if started else reply.stop_reason,
        "stop_sequence": None,
        "usage": {
            **_input_tokens(reply, conversation),
            "output_tokens": 1 if started else _output_tokens(reply),
            "service_tier": "standard",
        },
    }


def _input_tokens(reply: Round, conversation: Conversation) -> dict[str, int]:
    """As the script says; else an estimate, in which what stands before all comes from the cache."""
    usage = reply.usage
    written, read = usage.cache_write, usage.cache_read
    if usage.input is None and conversation.is_first:
        written = written or conversation.standing
    elif usage.input is None:
        read = read or conversation.standing
    return {
        "input_tokens": conversation.tokens if usage.input is None else usage.input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
    }


async def send(response: web.StreamResponse, frames: Iterator[Frame]) -> None:
    """Write frames when they are due; raises StreamCut where the script cuts the connection."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    held = bytearray()
    for frame in frames:
        late = start + frame.at - loop.time()
        if held and (late > 0 or len(held) >= _BATCH_BYTES or frame.data is None):
            await response.write(bytes(held))
            held.clear()
        # Sleeping for nothing still lets the other connections run.
        if late > 0 or not held:
            await asyncio.sleep(max(late, 0))
        if frame.data is None:
            raise StreamCut
        held += frame.data
    if held:
        await response.write(bytes(held))


def _event(kind: str, fields: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _block(step: Text | ToolCall) -> dict[str, Any]:
    if isinstance(step, ToolCall):
        return {"type": "tool_use", "id": _tool_id(), "name": step.name, "input": dict(step.input)}
    if step.kind == "thinking":
        return {"type": "thinking", "thinking": step.text, "signature": _SIGNATURE}
    return {"type": "text", "text": step.text}


def _tool_id() -> str:
    return f"toolu_{uuid.uuid4().hex[:24]}"


def _output_tokens(reply: Round) -> int:
    if reply.usage.output is not None:
        return reply.usage.output
    sizes = (
        len(step.text) if isinstance(step, Text) else len(json.dumps(dict(step.input)))
        for step in reply.content
    )
    return max(1, sum(sizes) // 4)
