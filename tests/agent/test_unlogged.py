"""What a killed server has not read of its CLI is found in the CLI's own record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loopagent.agent.ports import OpenCall, Recovery
from loopagent.agent.steps import emitted
from loopagent.agent.transcript import point_to_end
from loopagent.agent.translate import Translator
from loopagent.agent.unlogged import catch_up
from loopagent.domain import events as e
from loopagent.domain.ids import EventId, prompt_uuid
from loopagent.domain.permissions import Decision

PROMPT = EventId("sevt_prompt")
COMMAND = {"command": "ls"}


class Record:
    """A transcript in the making: each entry follows the one before."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.last = ""
        self.add("user", {"type": "text", "text": "before"})
        self.add("assistant", {"type": "text", "text": "so"})
        self.add("user", {"type": "text", "text": "go"}, uuid=prompt_uuid(PROMPT))

    def add(self, kind: str, block: dict[str, Any], **more: Any) -> str:
        entry = {
            "type": kind,
            "uuid": f"u{len(self.entries)}",
            "parentUuid": self.last,
            "message": {"role": kind, "content": [block]},
        } | more
        self.entries.append(entry)
        self.last = str(entry["uuid"])
        return self.last

    def say(self, text: str, **more: Any) -> None:
        self.add("assistant", {"type": "text", "text": text}, **more)

    def call(self, name: str = "toolu_1") -> None:
        self.add("assistant", {"type": "tool_use", "id": name, "name": "Bash", "input": COMMAND})

    def result(self, text: str, name: str = "toolu_1") -> None:
        self.add("user", {"type": "tool_result", "tool_use_id": name, "content": text})


def logged_call(name: str = "toolu_1", event_id: str = "sevt_call") -> e.AgentToolUse:
    loop = {"tool_use_id": name, "tool": "Bash"}
    return e.AgentToolUse(id=EventId(event_id), name="bash", input=COMMAND, loop=loop)


def said(text: str) -> e.AgentMessage:
    return e.AgentMessage(content=[e.text_block(text)])


OPEN = OpenCall(
    event_id=EventId("sevt_call"), tool_use_id="toolu_1", tool="Bash", tool_input=COMMAND
)


def found(tmp_path: Path, record: Record, *log: e.Event, **recovery: Any) -> Recovery:
    file = tmp_path / "transcript.jsonl"
    lines = [json.dumps(entry) for entry in record.entries]
    file.write_text("\n".join([*lines, '{"half": ']))
    turn = [e.UserMessage(id=PROMPT, content=[e.text_block("go")]), *log]
    return catch_up(file, PROMPT, turn, Recovery(**recovery))


def told(recovery: Recovery) -> list[tuple[str, str]]:
    """The events that the translator makes of it: type, and text or call."""
    translator = Translator(lambda *_: Decision(verdict="allow", reason=""), recovery)
    rows: list[tuple[str, str]] = []
    for event in emitted(translator.catch_up(recovery)):
        match event:
            case e.AgentMessage():
                rows.append((event.type, e.plain_text(event.content)))
            case e.AgentToolResult():
                rows.append((event.type, event.tool_use_id))
            case _:
                rows.append((event.type, ""))
    return rows


def test_nothing_is_missed_if_the_log_holds_all(tmp_path: Path) -> None:
    record = Record()
    record.say("one")
    assert found(tmp_path, record, said("one")).unlogged == ()


def test_the_end_that_nobody_read_is_told(tmp_path: Path) -> None:
    record = Record()
    record.say("one")
    record.call()
    record.result("fine")
    record.say("two")
    got = told(found(tmp_path, record, said("one")))
    assert [kind for kind, _ in got] == ["agent.tool_use", "agent.tool_result", "agent.message"]
    assert got[-1] == ("agent.message", "two")


def test_the_result_of_a_call_in_the_log_is_the_result_of_that_call(tmp_path: Path) -> None:
    record = Record()
    record.call()
    record.result("fine")
    got = told(found(tmp_path, record, logged_call(), calls=(OPEN,)))
    assert got == [("agent.tool_result", "sevt_call")]


def test_the_same_words_twice_are_two_messages(tmp_path: Path) -> None:
    record = Record()
    record.say("again")
    record.say("again")
    assert told(found(tmp_path, record, said("again"))) == [("agent.message", "again")]


def test_what_was_lost_in_mid_word_is_completed(tmp_path: Path) -> None:
    record = Record()
    record.say("one two")
    draft = {"draft_id": EventId("sevt_draft"), "draft_text": "one t"}
    recovery = found(tmp_path, record, **draft)
    translator = Translator(lambda *_: Decision(verdict="allow", reason=""), recovery)
    (event,) = emitted(translator.catch_up(recovery))
    assert isinstance(event, e.AgentMessage)
    assert event.id == "sevt_draft"
    assert e.plain_text(event.content) == "one two"


def test_a_call_that_the_model_has_made_anew_is_known_by_its_new_name(tmp_path: Path) -> None:
    record = Record()
    at = record.last
    record.call("toolu_1")
    record.last = at  # the resume went on from before it
    record.call("toolu_2")
    record.result("fine", "toolu_2")
    got = told(found(tmp_path, record, logged_call(), calls=(OPEN,)))
    assert got == [("agent.tool_result", "sevt_call")]


def test_what_the_cli_makes_up_is_not_told(tmp_path: Path) -> None:
    record = Record()
    record.call()
    record.result("[Tool call interrupted: the session ended before this call's result]")
    record.say("API Error", isApiErrorMessage=True)
    assert told(found(tmp_path, record, logged_call(), calls=(OPEN,))) == []


def test_another_turns_words_are_not_told(tmp_path: Path) -> None:
    record = Record()
    record.entries.pop()
    record.last = record.entries[-1]["uuid"]
    record.say("much")
    assert found(tmp_path, record) == Recovery()
    assert catch_up(tmp_path / "none", PROMPT, [], Recovery()) == Recovery()


def test_a_turn_is_recorded_as_soon_as_its_prompt_is(tmp_path: Path) -> None:
    assert found(tmp_path, Record()).is_recorded


def test_what_the_record_has_lost_is_done_and_its_result_known(tmp_path: Path) -> None:
    result = e.AgentToolResult(tool_use_id=EventId("sevt_call"), content=[e.text_block("fine")])
    recovery = found(tmp_path, Record(), logged_call(), result)
    assert [(call.event_id, call.result) for call in recovery.done] == [("sevt_call", "fine")]


def test_what_the_record_holds_need_not_be_remembered(tmp_path: Path) -> None:
    record = Record()
    record.call()
    record.result("fine")
    result = e.AgentToolResult(tool_use_id=EventId("sevt_call"), content=[e.text_block("fine")])
    assert found(tmp_path, record, logged_call(), result).done == ()


def test_a_record_that_goes_in_a_circle_is_read_to_its_end(tmp_path: Path) -> None:
    record = Record()
    record.say("round")
    record.entries[-1]["parentUuid"] = record.entries[-1]["uuid"]
    assert not found(tmp_path, record).is_recorded
    point_to_end(tmp_path / "transcript.jsonl")


def test_a_turn_is_complete_only_where_its_record_ends_in_words(tmp_path: Path) -> None:
    record = Record()
    record.call()
    record.result("fine")
    assert not found(tmp_path, record).is_complete
    record.say("done")
    assert found(tmp_path, record).is_complete
