"""What a resume reads in the CLI's own record, and what a kill may have left at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loopagent.agent.transcript import can_resume, point_to_end, reopen_ask

Entry = dict[str, Any]

PROMPT = {"type": "user", "uuid": "p", "message": {"content": [{"type": "text", "text": "go"}]}}
NOTE = {"type": "last-prompt"}


def call(name: str) -> Entry:
    block = {"type": "tool_use", "id": name, "name": "Bash", "input": {"command": name}}
    return {"type": "assistant", "uuid": f"u-{name}", "message": {"content": [block]}}


def result(name: str, content: str = "fine", *, is_error: bool = False) -> Entry:
    block = {"type": "tool_result", "tool_use_id": name, "content": content, "is_error": is_error}
    return {"type": "user", "uuid": f"r-{name}", "message": {"content": [block]}}


def gave_up(name: str) -> Entry:
    return result(name, "Tool permission request failed: AbortError: closed", is_error=True)


def write(path: Path, *entries: Entry) -> bytes:
    data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    path.write_bytes(data)
    return data


@pytest.mark.parametrize(
    ("kept", "cut"),
    [
        ([PROMPT, call("a")], []),
        ([PROMPT, call("a")], [gave_up("a")]),
        ([PROMPT, call("a"), NOTE], [gave_up("a"), NOTE]),
        ([PROMPT, call("b"), call("a"), result("b")], [gave_up("a")]),
        ([PROMPT, call("b"), PROMPT, call("a")], []),
    ],
)
def test_the_only_call_without_a_result_is_marked_as_still_to_be_decided(
    tmp_path: Path, kept: list[Entry], cut: list[Entry]
) -> None:
    file = tmp_path / "t.jsonl"
    before = write(file, *kept)
    write(file, *kept, *cut)
    assert reopen_ask(file, "a")
    after = file.read_bytes()
    assert after.startswith(before)
    mark = json.loads(after[len(before) :])
    assert mark["attachment"]["type"] == "hook_deferred_tool"
    assert mark["attachment"]["toolUseID"] == "a"
    assert mark["attachment"]["toolInput"] == {"command": "a"}
    assert mark["parentUuid"] == [entry["uuid"] for entry in kept if "uuid" in entry][-1]


@pytest.mark.parametrize(
    ("kept", "cut"),
    [
        ([PROMPT, call("a"), call("b")], [gave_up("a"), gave_up("b")]),
        ([PROMPT, call("b")], []),
        ([PROMPT, call("a"), gave_up("a"), call("b")], []),
        ([PROMPT, call("a"), gave_up("a"), PROMPT], []),
        ([PROMPT, call("a"), result("a", "Tool permission request failed")], []),
        ([PROMPT, call("a"), result("a", "exit code 1", is_error=True)], []),
        ([PROMPT], []),
    ],
)
def test_nothing_is_marked_where_another_call_or_none_is_open(
    tmp_path: Path, kept: list[Entry], cut: list[Entry]
) -> None:
    file = tmp_path / "t.jsonl"
    before = write(file, *kept)
    write(file, *kept, *cut)
    assert not reopen_ask(file, "a")
    assert file.read_bytes() == before


def test_half_a_line_and_a_sub_agents_lines_are_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    before = write(file, PROMPT, call("a"), {**call("s"), "isSidechain": True})
    with file.open("ab") as end:
        end.write(b'{"type":"us')
    assert reopen_ask(file, "a")
    after = file.read_bytes()
    assert after.startswith(before)
    assert len(after[len(before) :].splitlines()) == 1


def test_a_resume_goes_on_from_the_last_message_whatever_end_was_named_before(
    tmp_path: Path,
) -> None:
    file = tmp_path / "t.jsonl"
    named = {"type": "last-prompt", "leafUuid": "old"}
    lines = [json.dumps(entry) + "\n" for entry in (PROMPT | {"uuid": "new"}, named)]
    file.write_text("".join(lines))
    with file.open("ab") as end:
        end.write(b'{"half": ')
    point_to_end(file)
    last = json.loads(file.read_bytes().splitlines()[-1])
    assert last["leafUuid"] == "new"
    before = file.read_bytes()
    point_to_end(file)
    assert file.read_bytes() == before, "once is enough"


def test_without_a_transcript_there_is_nothing_to_resume_or_reopen(tmp_path: Path) -> None:
    assert not reopen_ask(tmp_path / "none.jsonl", "a")
    assert not can_resume(tmp_path / "none.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b"", b'{"type":"queue-operation"}\n', b'{"type":"qu'])
def test_a_file_without_a_prompt_is_out_of_the_way_of_a_new_start(
    tmp_path: Path, left: bytes
) -> None:
    file = tmp_path / "t.jsonl"
    file.write_bytes(left)
    assert not can_resume(file)
    assert not file.exists()


def test_a_file_with_a_prompt_is_resumed_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_bytes(b'{"type":"user","message":{}}\n')
    assert can_resume(file)
    assert file.read_bytes() == b'{"type":"user","message":{}}\n'
