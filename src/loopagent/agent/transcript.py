"""The CLI's own record of a conversation, a file of JSON lines, as far as a resume depends on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEAD = 4 << 20  # bytes in which the first prompt is found
_UNANSWERED = "Tool permission request failed"


def holds_a_prompt(transcript: Path) -> bool:
    """Whether the CLI can resume from this file: it refuses one without a conversation."""
    try:
        with transcript.open("rb") as file:
            return b'"type":"user"' in file.read(_HEAD)
    except FileNotFoundError:
        return False


def reopen_asks(transcript: Path) -> None:
    """Cut off the end in which the CLI gave up on asks because its server had died.

    It sees its pipe close a moment before it is killed itself, and may just have the time to write
    a failed result for a call that waits for an answer. Without that end the file is as if both
    had died at once: the call is made again, and the answer, whenever it comes, still counts.
    """
    try:
        lines = transcript.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return
    kept = len(lines)
    for index in range(len(lines) - 1, -1, -1):
        kind, blocks = _read(lines[index])
        if kind == "assistant" or (kind == "user" and not _results(blocks)):
            break  # what came before this is another round
        if any(_gave_up(block) for block in _results(blocks)):
            kept = index
    if kept < len(lines):
        with transcript.open("r+b") as file:
            file.truncate(sum(map(len, lines[:kept])))


def _read(line: bytes) -> tuple[str, list[Any]]:
    try:
        entry = json.loads(line)
    except ValueError:
        return "", []  # half a line: its writer was killed
    if not isinstance(entry, dict) or entry.get("isSidechain"):
        return "", []
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    return str(entry.get("type", "")), content if isinstance(content, list) else []


def _results(blocks: list[Any]) -> list[dict[str, Any]]:
    return [b for b in blocks if isinstance(b, dict) and b.get("type") == "tool_result"]


def _gave_up(result: dict[str, Any]) -> bool:
    return bool(result.get("is_error")) and str(result.get("content")).startswith(_UNANSWERED)
