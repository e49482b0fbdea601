"""From the SDK's messages to steps: events for the log and previews for viewers. No I/O.

Text is taken from the AssistantMessage; stream events are only a preview, since replies that were
not streamed, and errors that the CLI makes up itself, come without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    Message,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from loopagent.agent import failures
from loopagent.agent.ports import CUT, OpenCall, Recovery
from loopagent.agent.preview import Preview
from loopagent.agent.repeats import Repeats
from loopagent.agent.results import result_blocks, result_details
from loopagent.agent.steps import Emit, Step
from loopagent.agent.tasks import Tasks
from loopagent.domain import events as e
from loopagent.domain.agent import SDK_TO_WIRE
from loopagent.domain.ids import EventId, new_event_id
from loopagent.domain.permissions import Decision

Judge = Callable[[str, Mapping[str, Any]], Decision]


class Translator:
    """The state of one process's stream; `read` gives the steps of one message.

    judge: the permission decision for a tool and its input.
    recovery: what a cut turn left in the log; calls that are made again are recognised.
    repeats: those of them that were made to their end.
    """

    def __init__(
        self, judge: Judge, recovery: Recovery | None = None, repeats: Repeats | None = None
    ) -> None:
        self._judge = judge
        self._repeats = repeats or Repeats()
        self._old_calls = list(recovery.calls) if recovery else []
        self._calls = {call.tool_use_id: call.event_id for call in self._old_calls}
        self._open_calls = {call.event_id: call.tool_use_id for call in self._old_calls}
        self._mcp_calls = {c.event_id for c in self._old_calls if c.tool.startswith("mcp__")}
        self._parents: dict[EventId, str] = {}  # calls of sub-agents -> the call that began those
        self._preview = Preview(recovery)
        self.tasks = Tasks(self.event_of)
        self.error_word: str | None = None

    @property
    def open_calls(self) -> int:
        """How many tool calls have no result yet."""
        return len(self._open_calls)

    def event_of(self, tool_use_id: str) -> EventId | None:
        """The event of a tool call, by the model's id of it."""
        return self._calls.get(tool_use_id)

    def read(self, message: Message) -> Iterator[Step]:
        """The steps of one SDK message; what says nothing to a reader gives none."""
        for task in self.tasks.read(message):
            yield Emit(task)
            if isinstance(task, e.TaskEnded):
                yield from self._close((task.loop or {}).get("tool_use_id"))
        match message:
            case StreamEvent(parent_tool_use_id=None):
                yield from self._preview.read(message.event)
            case AssistantMessage():
                yield from self._assistant(message)
            case UserMessage() if isinstance(message.content, list):
                yield from self._tool_results(message)
            case SystemMessage(subtype="status", data={"status": "requesting"}):
                # Before the answer comes: its first words must not wait for a row.
                yield from self._preview.begin_request()
            case SystemMessage(subtype="api_retry"):
                yield from self._retry(message.data)
            case SystemMessage(subtype="compact_boundary"):
                yield Emit(e.AgentContextCompacted(loop=_compaction(message.data)))
            case _:
                pass

    def catch_up(self, recovery: Recovery) -> Iterator[Step]:
        """The steps of what the CLI did before it was lost and nobody read."""
        for entry in recovery.unlogged:
            yield from self.read(as_message(entry))
            (block,) = entry["message"]["content"]
            if block["type"] == "tool_use":
                # It has no result, or that comes next; without one it may be made again.
                event_id = self._calls[block["id"]]
                self._old_calls.append(
                    OpenCall(
                        event_id=event_id,
                        tool_use_id=block["id"],
                        tool=block["name"],
                        tool_input=block["input"],
                    )
                )

    def turn_ended(self) -> Iterator[Step]:
        """Close what the turn left open: a draft, a model request, calls without a result."""
        yield from self._preview.void()
        yield from self._preview.give_up_lost()
        yield from self._preview.end_request()
        for event_id in list(self._open_calls):
            if self.tasks.runs_beside(self._parents.get(event_id, "")):
                continue
            yield Emit(self._result(event_id, [e.text_block(CUT)], is_error=True, loop=None))
        self._old_calls.clear()
        self._repeats.clear()
        self.error_word = None

    def _close(self, parent: str | None) -> Iterator[Step]:
        """A sub-agent has ended: close what it left open."""
        left = [call for call in self._open_calls if self._parents.get(call, "") == parent]
        for event_id in left:
            text = e.text_block("The call was cut when its sub-agent ended.")
            yield Emit(self._result(event_id, [text], is_error=True, loop=None))

    def _retry(self, data: dict[str, Any]) -> Iterator[Step]:
        yield from self._preview.void()
        yield from self._preview.end_request()
        self.error_word = str(data.get("error") or "unknown")
        error = failures.from_word(
            self.error_word, status=data.get("error_status"), retry="retrying"
        )
        loop = {
            "attempt": data.get("attempt"),
            "max_retries": data.get("max_retries"),
            "retry_in_ms": data.get("retry_delay_ms"),
        }
        yield Emit(failures.failure(error).model_copy(update={"loop": loop}))

    def _assistant(self, message: AssistantMessage) -> Iterator[Step]:
        if message.error is not None:
            self.error_word = message.error
            yield from self._preview.void()
            return
        for block in message.content:
            match block:
                case TextBlock() if message.parent_tool_use_id is None:
                    yield from self._preview.message(block.text)
                case ThinkingBlock() if message.parent_tool_use_id is None:
                    yield Emit(
                        e.AgentThinking(id=self._preview.take(), loop={"text": block.thinking})
                    )
                case ToolUseBlock():
                    yield from self._tool_use(block, message.parent_tool_use_id)
                case _:
                    pass

    def _tool_use(self, block: ToolUseBlock, parent: str | None) -> Iterator[Step]:
        yield from self._preview.give_up_lost()
        done = self._repeats.of(block.id, block.name, block.input) if parent is None else None
        again = done.event_id if done is not None else self._made_again(block)
        if again is not None:
            self._calls[block.id] = again
            return
        event_id = new_event_id()
        self._calls[block.id] = event_id
        self._open_calls[event_id] = block.id
        decision = self._judge(block.name, block.input)
        loop = {"tool_use_id": block.id, "tool": block.name, "reason": decision.reason}
        if parent is not None:
            loop["parent"] = self._calls.get(parent, parent)
            self._parents[event_id] = parent
        if block.name.startswith("mcp__"):
            self._mcp_calls.add(event_id)
            server, _, name = block.name.removeprefix("mcp__").partition("__")
            yield Emit(
                e.AgentMcpToolUse(
                    id=event_id,
                    mcp_server_name=server,
                    name=name,
                    input=block.input,
                    evaluated_permission=decision.verdict,
                    loop=loop,
                )
            )
            return
        yield Emit(
            e.AgentToolUse(
                id=event_id,
                name=SDK_TO_WIRE.get(block.name, block.name),
                input=block.input,
                evaluated_permission=decision.verdict,
                loop=loop,
            )
        )

    def _made_again(self, block: ToolUseBlock) -> EventId | None:
        """The event of the same call in the cut turn: after a kill the model is asked anew."""
        for call in self._old_calls:
            if call.tool == block.name and call.tool_input == block.input:
                self._old_calls.remove(call)
                self._open_calls[call.event_id] = block.id
                return call.event_id
        return None

    def _tool_results(self, message: UserMessage) -> Iterator[Step]:
        for block in message.content:
            if not isinstance(block, ToolResultBlock):
                continue
            event_id = self._calls.get(block.tool_use_id)
            if event_id is None or event_id not in self._open_calls:
                continue
            details = result_details(message.tool_use_result)
            yield Emit(
                self._result(
                    event_id,
                    result_blocks(block.content),
                    is_error=bool(block.is_error),
                    loop={"result": details} if details else None,
                )
            )

    def _result(
        self, event_id: EventId, content: list[e.Block], *, is_error: bool, loop: e.Json | None
    ) -> e.Event:
        self._open_calls.pop(event_id, None)
        self._old_calls = [call for call in self._old_calls if call.event_id != event_id]
        if event_id in self._mcp_calls:
            return e.AgentMcpToolResult(
                mcp_tool_use_id=event_id, content=content, is_error=is_error, loop=loop
            )
        return e.AgentToolResult(
            tool_use_id=event_id, content=content, is_error=is_error, loop=loop
        )


def as_message(entry: Mapping[str, Any]) -> Message:
    """The message that the SDK would have made of a transcript's entry with one block."""
    (block,) = entry["message"]["content"]
    content: TextBlock | ThinkingBlock | ToolUseBlock
    match block["type"]:
        case "tool_result":
            result = ToolResultBlock(
                tool_use_id=block["tool_use_id"],
                content=block.get("content"),
                is_error=block.get("is_error"),
            )
            return UserMessage(content=[result], tool_use_result=entry.get("toolUseResult"))
        case "text":
            content = TextBlock(text=block["text"])
        case "thinking":
            content = ThinkingBlock(thinking=block["thinking"], signature="")
        case _:
            content = ToolUseBlock(id=block["id"], name=block["name"], input=block["input"])
    return AssistantMessage(content=[content], model=str(entry["message"].get("model", "")))


def _compaction(data: dict[str, Any]) -> e.Json:
    details = data.get("compact_metadata") or data
    return {key: details.get(key) for key in ("trigger", "pre_tokens", "post_tokens")}
