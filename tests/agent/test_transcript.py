"""What a resume reads in the CLI's own record, and what a kill may have left at its end."""

import json
from pathlib import Path
from typing import Any

import pytest

from loopagent.agent.transcript import holds_a_prompt, reopen_asks

PROMPT = {"type": "user", "message": {"content": [{"type": "text", "text": "go"}]}}
CALLS = {"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "a"}]}}
NOTE = {"type": "file-history-snapshot"}


def result(content: str, *, is_error: bool = False) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "a", "content": content, "is_error": is_error}
    return {"type": "user", "message": {"content": [block]}}


GAVE_UP = result("Tool permission request failed: AbortError: closed", is_error=True)


def write(path: Path, *entries: dict[str, Any]) -> bytes:
    data = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    path.write_bytes(data)
    return data


@pytest.mark.parametrize(
    ("kept", "cut"),
    [
        ([PROMPT, CALLS], [GAVE_UP]),
        ([PROMPT, CALLS], [GAVE_UP, NOTE]),
        ([PROMPT, CALLS], [GAVE_UP, GAVE_UP]),
        ([PROMPT, CALLS, result("fine")], [GAVE_UP]),
        ([PROMPT, CALLS, GAVE_UP, CALLS], []),
        ([PROMPT, CALLS, GAVE_UP, PROMPT], []),
        ([PROMPT, CALLS, result("Tool permission request failed")], []),
        ([PROMPT, CALLS, result("exit code 1", is_error=True)], []),
        ([PROMPT, CALLS, NOTE], []),
    ],
)
def test_only_asks_that_the_kill_left_without_an_answer_are_reopened(
    tmp_path: Path, kept: list[dict[str, Any]], cut: list[dict[str, Any]]
) -> None:
    file = tmp_path / "t.jsonl"
    before = write(file, *kept)
    write(file, *kept, *cut)
    reopen_asks(file)
    assert file.read_bytes() == before


def test_half_a_line_at_the_end_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    before = write(file, PROMPT, CALLS)
    with file.open("ab") as end:
        end.write(json.dumps(GAVE_UP).encode() + b"\n" + b'{"type":"us')
    reopen_asks(file)
    assert file.read_bytes() == before


def test_without_a_transcript_there_is_nothing_to_resume_or_reopen(tmp_path: Path) -> None:
    reopen_asks(tmp_path / "none.jsonl")
    assert not holds_a_prompt(tmp_path / "none.jsonl")
    assert list(tmp_path.iterdir()) == []
