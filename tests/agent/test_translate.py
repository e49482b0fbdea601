"""Messages of the SDK become events and previews."""

from __future__ import annotations

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

from loopagent.agent.ports import OpenCall, Recovery
from loopagent.agent.steps import CloseDraft, DraftText, OpenDraft, Step, emitted
from loopagent.agent.translate import Translator
from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.permissions import Decision


def judge(tool: str, tool_input: Any) -> Decision:
    return Decision(verdict="ask" if tool == "Bash" else "allow", reason="because")


def stream(**event: Any) -> StreamEvent:
    return StreamEvent(uuid="u", session_id="s", event=event)


def start(kind: str = "text") -> list[Message]:
    usage = {"input_tokens": 7, "output_tokens": 1}
    return [
        stream(type="message_start", message={"usage": usage}),
        stream(type="content_block_start", index=0, content_block={"type": kind}),
    ]


def delta(text: str) -> StreamEvent:
    return stream(type="content_block_delta", delta={"type": "text_delta", "text": text})


def stop(reason: str = "tool_use") -> list[Message]:
    return [
        stream(type="content_block_stop", index=0),
        stream(type="message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 5}),
        stream(type="message_stop"),
    ]


def said(text: str) -> AssistantMessage:
    return AssistantMessage(content=[TextBlock(text=text)], model="m")


def called(tool: str, tool_use_id: str = "toolu_1", **tool_input: Any) -> AssistantMessage:
    block = ToolUseBlock(id=tool_use_id, name=tool, input=tool_input)
    return AssistantMessage(content=[block], model="m")


def returned(content: Any, tool_use_id: str = "toolu_1", **more: Any) -> UserMessage:
    block = ToolResultBlock(tool_use_id=tool_use_id, content=content)
    return UserMessage(content=[block], **more)


def read(translator: Translator, *messages: Message) -> list[Step]:
    return [step for message in messages for step in translator.read(message)]


def test_a_streamed_text_ends_as_one_row_with_the_id_of_its_draft() -> None:
    steps = read(Translator(judge), *start(), delta("hel"), delta("lo"), said("hello"), *stop())
    opened = next(step for step in steps if isinstance(step, OpenDraft))
    assert opened.kind == "agent.message"
    assert [step.text for step in steps if isinstance(step, DraftText)] == ["hel", "lo"]
    begun, message, ended = emitted(steps)
    assert isinstance(begun, e.ModelRequestStart)
    assert isinstance(message, e.AgentMessage)
    assert message.id == opened.event_id
    assert e.plain_text(message.content) == "hello"
    assert isinstance(ended, e.ModelRequestEnd)
    assert ended.model_request_start_id == begun.id
    assert ended.model_usage["input_tokens"] == 7
    assert ended.model_usage["output_tokens"] == 5
    assert ended.is_error is False


def test_a_request_begins_when_the_model_is_asked_and_only_once() -> None:
    translator = Translator(judge)
    asked = SystemMessage(subtype="status", data={"status": "requesting"})
    (begun,) = emitted(read(translator, asked))
    assert isinstance(begun, e.ModelRequestStart)
    *_, ended = emitted(read(translator, asked, *start(), delta("a"), *stop()))
    assert isinstance(ended, e.ModelRequestEnd)
    assert ended.model_request_start_id == begun.id


def test_the_end_of_the_last_request_is_told_with_the_end_of_its_turn() -> None:
    translator = Translator(judge)
    assert len(emitted(read(translator, *start(), delta("a"), *stop("end_turn")))) == 1
    (ended,) = emitted(translator.turn_ended())
    assert isinstance(ended, e.ModelRequestEnd)
    assert (ended.is_error, ended.model_usage["input_tokens"]) == (False, 7)


def test_a_request_that_goes_on_after_all_ends_before_the_next_one_begins() -> None:
    translator = Translator(judge)
    read(translator, *start(), delta("a"), *stop("end_turn"))
    ended, begun = emitted(read(translator, *start()))
    assert (ended.type, begun.type) == ("span.model_request_end", "span.model_request_start")


def test_a_request_that_fails_before_its_answer_has_used_nothing() -> None:
    translator = Translator(judge)
    asked = SystemMessage(subtype="status", data={"status": "requesting"})
    read(translator, *start(), delta("a"), *stop(), asked)
    (ended,) = emitted(translator.turn_ended())
    assert isinstance(ended, e.ModelRequestEnd)
    assert (ended.is_error, ended.model_usage["input_tokens"]) == (True, 0)


def test_a_reply_that_was_not_streamed_is_logged_too() -> None:
    (message,) = emitted(read(Translator(judge), said("whole")))
    assert isinstance(message, e.AgentMessage)


def test_thinking_is_a_row_of_its_own() -> None:
    block = ThinkingBlock(thinking="hm", signature="x")
    thought = AssistantMessage(content=[block], model="m")
    steps = read(Translator(judge), *start("thinking"), thought, *stop())
    row = next(event for event in emitted(steps) if isinstance(event, e.AgentThinking))
    assert row.loop == {"text": "hm"}


def test_a_cut_stream_voids_its_draft_and_ends_its_request_as_failed() -> None:
    messages = [*start(), delta("lost"), stream(type="message_stop")]
    steps = read(Translator(judge), *messages)
    assert CloseDraft() in steps
    ended = emitted(steps)[-1]
    assert isinstance(ended, e.ModelRequestEnd)
    assert ended.is_error is True


def test_a_retry_is_an_error_that_says_when_it_is_tried_again() -> None:
    data = {"error": "overloaded", "error_status": 529, "attempt": 1, "retry_delay_ms": 500}
    translator = Translator(judge)
    steps = read(translator, *start(), SystemMessage(subtype="api_retry", data=data))
    error = emitted(steps)[-1]
    assert isinstance(error, e.SessionError)
    assert error.error.type == "model_overloaded_error"
    assert error.error.retry_status.type == "retrying"
    assert error.loop is not None
    assert error.loop["retry_in_ms"] == 500
    assert translator.error_word == "overloaded"


def test_a_tool_call_carries_its_decision_and_its_result_names_the_calls_event() -> None:
    translator = Translator(judge)
    steps = read(translator, called("Bash", command="ls"), returned("a\nb"))
    call, result = emitted(steps)
    assert isinstance(call, e.AgentToolUse)
    assert (call.name, call.evaluated_permission) == ("bash", "ask")
    assert call.loop == {"tool_use_id": "toolu_1", "tool": "Bash", "reason": "because"}
    assert translator.event_of("toolu_1") == call.id
    assert isinstance(result, e.AgentToolResult)
    assert result.tool_use_id == call.id
    assert e.plain_text(result.content or []) == "a\nb"


def test_a_result_keeps_what_a_page_draws_from_and_leaves_out_whole_files() -> None:
    details = {"filePath": "/w/a", "structuredPatch": [{"lines": ["+x"]}], "originalFile": "…"}
    steps = read(
        Translator(judge), called("Edit", file_path="/w/a"), returned("ok", tool_use_result=details)
    )
    result = emitted(steps)[-1]
    assert result.loop == {"result": {"filePath": "/w/a", "structuredPatch": [{"lines": ["+x"]}]}}


def test_a_result_may_hold_blocks_of_any_kind() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": ""}}
    content = [{"type": "text", "text": "see"}, image, {"type": "tool_reference", "x": 1}]
    steps = read(Translator(judge), called("Read", file_path="/w/a.png"), returned(content))
    result = emitted(steps)[-1]
    assert isinstance(result, e.AgentToolResult)
    assert [block.type for block in result.content or []] == ["text", "image", "tool_reference"]


def test_the_call_of_a_connected_server_is_named_after_it() -> None:
    steps = read(Translator(judge), called("mcp__calc__add", a=1), returned("2"))
    call, result = emitted(steps)
    assert isinstance(call, e.AgentMcpToolUse)
    assert (call.mcp_server_name, call.name) == ("calc", "add")
    assert isinstance(result, e.AgentMcpToolResult)
    assert result.mcp_tool_use_id == call.id


def test_a_call_of_a_sub_agent_names_its_parent_and_its_text_is_left_to_the_result() -> None:
    translator = Translator(judge)
    (parent,) = emitted(read(translator, called("Agent", "toolu_p", prompt="go")))
    inner = called("Read", "toolu_c", file_path="/w/a")
    inner.parent_tool_use_id = "toolu_p"
    text = said("inner words")
    text.parent_tool_use_id = "toolu_p"
    (child,) = emitted(read(translator, inner, text))
    assert child.loop is not None
    assert child.loop["parent"] == parent.id


def test_what_a_turn_left_open_is_closed_at_its_end() -> None:
    translator = Translator(judge)
    (call,) = emitted(read(translator, called("Bash", command="x")))
    read(translator, *start(), delta("un"))
    steps = list(translator.turn_ended())
    assert CloseDraft() in steps
    request, result = emitted(steps)
    assert isinstance(request, e.ModelRequestEnd)
    assert isinstance(result, e.AgentToolResult)
    assert (result.tool_use_id, result.is_error) == (call.id, True)
    assert list(translator.turn_ended()) == []


def test_a_compaction_is_told() -> None:
    data = {"compact_metadata": {"trigger": "auto", "pre_tokens": 9}}
    (event,) = emitted(
        read(Translator(judge), SystemMessage(subtype="compact_boundary", data=data))
    )
    assert isinstance(event, e.AgentContextCompacted)


OLD = EventId("sevt_old")


def test_a_call_made_again_after_a_kill_is_the_same_call() -> None:
    call = OpenCall(
        event_id=OLD, tool_use_id="toolu_old", tool="Bash", tool_input={"command": "ls"}
    )
    translator = Translator(judge, Recovery(calls=(call,)))
    (result,) = emitted(
        read(translator, called("Bash", "toolu_9", command="ls"), returned("x", "toolu_9"))
    )
    assert isinstance(result, e.AgentToolResult)
    assert result.tool_use_id == OLD
    again = emitted(read(translator, called("Bash", "toolu_10", command="ls")))
    assert len(again) == 1, "made a second time, it is another call"


def test_an_old_call_that_is_not_made_again_is_closed_at_the_end_of_the_turn() -> None:
    call = OpenCall(
        event_id=OLD, tool_use_id="toolu_old", tool="Bash", tool_input={"command": "ls"}
    )
    translator = Translator(judge, Recovery(calls=(call,)))
    read(translator, said("I did something else"))
    (result,) = emitted(translator.turn_ended())
    assert isinstance(result, e.AgentToolResult)
    assert result.tool_use_id == OLD


def lost(text: str) -> Translator:
    return Translator(judge, Recovery(draft_id=OLD, draft_text=text))


def test_a_cut_text_that_is_written_again_goes_on_where_it_was_cut() -> None:
    messages = [*start(), delta("one "), delta("two th"), delta("ree"), said("one two three")]
    steps = read(lost("one two"), *messages, *stop())
    assert not any(isinstance(step, OpenDraft) for step in steps)
    assert [step.text for step in steps if isinstance(step, DraftText)] == [" th", "ree"]
    rows = [event for event in emitted(steps) if isinstance(event, e.AgentMessage)]
    assert [row.id for row in rows] == [OLD]
    assert e.plain_text(rows[0].content) == "one two three"


def test_a_cut_text_that_comes_out_differently_is_kept_as_a_partial_message() -> None:
    messages = [*start(), delta("one "), delta("more time"), said("one more time"), *stop()]
    steps = read(lost("one two"), *messages)
    assert [step.text for step in steps if isinstance(step, DraftText)] == ["one more time"]
    partial, whole = (row for row in emitted(steps) if isinstance(row, e.AgentMessage))
    assert (partial.id, partial.loop) == (OLD, {"partial": True})
    assert e.plain_text(partial.content) == "one two"
    assert e.plain_text(whole.content) == "one more time"
    assert whole.id != OLD


def test_a_cut_text_is_kept_when_the_model_calls_a_tool_instead() -> None:
    partial, call = emitted(read(lost("one two"), called("Read", file_path="/w/a")))
    assert partial.id == OLD
    assert isinstance(call, e.AgentToolUse)


def test_a_cut_text_is_kept_when_the_second_try_fails() -> None:
    translator = lost("one two")
    read(translator, *start(), delta("one"), stream(type="message_stop"))
    partial = emitted(translator.turn_ended())[0]
    assert partial.id == OLD


def test_a_shorter_second_text_leaves_the_longer_first_one_in_the_log() -> None:
    steps = read(lost("one two"), *start(), delta("one"), said("one"), *stop())
    rows = [row for row in emitted(steps) if isinstance(row, e.AgentMessage)]
    assert [e.plain_text(row.content) for row in rows] == ["one two", "one"]
