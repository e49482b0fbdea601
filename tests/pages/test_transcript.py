"""The fold of a log into blocks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loopagent.domain import events as e
from loopagent.domain.ids import new_event_id
from loopagent.web.pages import blocks as b
from loopagent.web.pages.transcript import Transcript


def numbered(*events: e.Event) -> list[e.Event]:
    return [e.processed(event, seq, e.now()) for seq, event in enumerate(events, 1)]


def folded(*events: e.Event) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.apply(event)
    return transcript


def call(tool: str = "Bash", permission: str = "allow", **loop: Any) -> e.AgentToolUse:
    fields = {"name": tool.lower(), "input": {}, "evaluated_permission": permission}
    return e.AgentToolUse.model_validate({**fields, "loop": {"tool": tool, **loop}})


def result(of: e.AgentToolUse) -> e.AgentToolResult:
    return e.AgentToolResult(tool_use_id=of.id, content=[e.text_block("ok")])


def answer(to: e.AgentToolUse, verdict: str) -> e.UserToolConfirmation:
    fields = {"tool_use_id": to.id, "result": verdict, "loop": {"answered_by": "Ann"}}
    return e.UserToolConfirmation.model_validate(fields)


def said(text: str) -> e.AgentMessage:
    return e.AgentMessage(content=[e.text_block(text)])


def idle(reason: str = "end_turn") -> e.SessionStatusIdle:
    return e.SessionStatusIdle(stop_reason=e.StopReason(type=reason))


def retry(attempt: int) -> e.SessionError:
    error = {"type": "model_overloaded_error", "message": "", "retry_status": {"type": "retrying"}}
    return e.SessionError.model_validate({"error": error, "loop": {"attempt": attempt}})


def state(*events: e.Event) -> str:
    (block,) = [x for x in folded(*numbered(*events)).top() if isinstance(x, b.ToolBlock)]
    return block.state


ASKED = call(permission="ask")
CHILD = call("Read", parent=ASKED.id)
LOG = numbered(
    said("zero"), retry(1), retry(2), said("one"), ASKED, idle("requires_action"), CHILD,
    answer(ASKED, "allow"), result(CHILD), result(ASKED),
    e.UnknownEvent.model_validate({"type": "some.news"}), idle(),
)  # fmt: skip


@given(st.integers(0, len(LOG)))
def test_what_is_new_since_a_number_completes_any_older_view(seq: int) -> None:
    view = {block.id: block for block in folded(*LOG[:seq]).top()}
    whole = folded(*LOG)
    for block in whole.since(seq):
        if block.parent is None:
            view[block.id] = block
    assert [view[block.id] for block in whole.top()] == whole.top()


def test_an_ask_is_open_until_it_is_answered_or_its_turn_ends() -> None:
    use = call(permission="ask")
    assert state(use, idle("requires_action")) == "asking"
    assert state(use, answer(use, "allow")) == "running"
    assert state(use, answer(use, "deny")) == "denied"
    assert state(use, idle("interrupted")) == "stopped"


def test_tries_of_one_request_are_one_block() -> None:
    blocks = folded(*numbered(retry(1), retry(2), said("there"), retry(1))).top()
    assert [block.kind for block in blocks] == ["error", "text", "error"]


def test_a_draft_becomes_its_message() -> None:
    transcript, event_id = Transcript(), new_event_id()
    transcript.start_draft(event_id, "agent.message")
    transcript.extend_draft(event_id, 0, "Hel")
    transcript.extend_draft(event_id, 3, "lo")
    assert [(x.text, x.open) for x in transcript.top() if isinstance(x, b.TextBlock)] == [
        ("Hello", True)
    ]
    transcript.apply(numbered(said("Hello").model_copy(update={"id": event_id}))[0])
    assert [(x.text, x.open) for x in transcript.top() if isinstance(x, b.TextBlock)] == [
        ("Hello", False)
    ]


def test_a_result_without_its_call_names_the_call() -> None:
    use = call()
    assert Transcript().apply(numbered(result(use))[0]) == use.id


def test_pruning_keeps_the_newest_and_what_is_not_done() -> None:
    many = [said(str(n)) for n in range(20)]
    assert folded(*numbered(*many)).prune(5) == 16
    assert folded(*numbered(call(), *many)).prune(5) == 1


def test_a_stop_is_told_while_it_lasts() -> None:
    events = numbered(
        e.SessionStatusRunning(), e.UserInterrupt(), e.Stopping(step="terminate"), idle()
    )
    assert [type(x) for x in folded(*events[:1]).top()] == []
    (note,) = folded(*events[:2]).top()
    (further,) = folded(*events[:3]).top()
    assert isinstance(note, b.NoteBlock)
    assert isinstance(further, b.NoteBlock)
    assert note.id == further.id
    assert note.text != further.text
    transcript = folded(*events[:3])
    transcript.take_changes()
    transcript.apply(events[3])
    assert transcript.take_changes().gone == [note.id]
    assert [type(x) for x in transcript.top()] == [b.TurnBlock]


def test_an_interrupt_at_rest_shows_nothing() -> None:
    shown = folded(*numbered(e.SessionStatusRunning(), idle(), e.UserInterrupt())).top()
    assert [type(x) for x in shown] == [b.TurnBlock]


def test_a_sub_agents_open_calls_end_with_it() -> None:
    parent = call("Agent")
    child = call("Read", parent=parent.id)
    ended = e.TaskEnded(task_id="t", status="stopped", summary="a job", loop={"parent": parent.id})
    agent, note = folded(*numbered(parent, result(parent), child, ended)).top()
    assert isinstance(agent, b.ToolBlock)
    assert isinstance(agent.children[0], b.ToolBlock)
    assert agent.children[0].state == "stopped"
    assert isinstance(note, b.NoteBlock)
    assert note.text == "a job"
