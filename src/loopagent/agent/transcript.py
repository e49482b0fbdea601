"""The CLI's own record of a conversation, a file of JSON lines, as far as a resume depends on it.

A process may die at any line, so every beginning of the file is a state that the CLI can resume
from. What is done here between two processes: cut off an end, or add the CLI's own mark for a
call that is still to be decided (measured with CLI 2.1.330).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

from loopagent.sandbox.beneath import Mode, open_beneath

_HEAD = 4 << 20  # bytes in which the first prompt is found
_MAX = 256 << 20  # no conversation is longer, but an agent may write what it likes
_FROM_BEFORE = ("timestamp", "userType", "entrypoint", "cwd", "sessionId", "version", "gitBranch")

Entry = dict[str, Any]


def can_resume(transcript: Path) -> bool:
    """Whether the CLI can resume from this file: it refuses one without a conversation.

    Such a file, left by a kill or a full disk, is removed: it says nothing, and while it is there
    the CLI refuses to begin the session, too.
    """
    try:
        with open_record(transcript, "rb") as file:
            if b'"type":"user"' in file.read(_HEAD):
                return True
    except FileNotFoundError:
        return False
    transcript.unlink()
    return False


def point_to_end(transcript: Path) -> None:
    """Let the next resume go on from the last message.

    The CLI goes on from the message that its newest `last-prompt` line names. A killed process has
    written none; where a cut turn was run again, the old one names the end that was left behind.
    """
    entries = read_entries(transcript)
    named = next((e["leafUuid"] for e in reversed(entries) if "leafUuid" in e), None)
    last = next((e for e in reversed(entries) if e.get("type") in {"user", "assistant"}), None)
    parents = {e["uuid"]: e.get("parentUuid") for e in entries if "uuid" in e}
    at = last.get("uuid") if last is not None else None
    while at is not None and at != named:
        at = parents.pop(at, None)  # once each: an agent may have written a circle
    if named is None or last is None or at == named:
        return  # what is named leads to the end
    line = {"type": "last-prompt", "leafUuid": last["uuid"], "sessionId": last.get("sessionId")}
    # The first line feed ends a line whose writer was killed; the CLI passes over an empty one.
    with open_record(transcript, "ab") as file:
        file.write(b"\n" + json.dumps(line, separators=(",", ":")).encode() + b"\n")


def read_entries(transcript: Path) -> list[Entry]:
    """The entries of the main conversation, in the order of writing; {} for any other line."""
    try:
        lines = _content(transcript).splitlines()
    except FileNotFoundError:
        return []
    return [_read(line) for line in lines]


def reopen_asks(transcript: Path, asked: Collection[str]) -> bool:
    """Prepare a resume in which calls that waited for an answer are decided now.

    asked: their ids. The CLI sees its pipe close a moment before it is ended itself, and may have
    noted that they failed or were refused, which nobody did: that end is cut off. If one call is
    without a result, it is marked as deferred: the next process asks about this very call, and the
    model isn't asked again. Of several the CLI would keep one, so they get no mark (False) and the
    model makes them anew.
    """
    try:
        lines = _content(transcript).splitlines(keepends=True)
    except FileNotFoundError:
        return False
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()  # half a line: its writer was killed
    entries = [_read(line) for line in lines]
    entries = entries[: _before_giving_up(entries, asked)]
    with open_record(transcript, "r+b") as file:
        file.truncate(sum(map(len, lines[: len(entries)])))
    call = _only_open_call(entries)
    if call is None or call["id"] not in asked:
        return False
    last = next(entry for entry in reversed(entries) if "uuid" in entry)
    with open_record(transcript, "ab") as file:
        file.write(json.dumps(_deferred(call, last)).encode() + b"\n")
    return True


def _before_giving_up(entries: list[Entry], asked: Collection[str]) -> int:
    for index, entry in enumerate(entries):
        for result in _blocks(entry, "tool_result"):
            if result.get("tool_use_id") in asked and result.get("is_error"):
                return index
    return len(entries)


def _only_open_call(entries: list[Entry]) -> Entry | None:
    calls: dict[str, Entry] = {}
    for entry in entries:
        results = _blocks(entry, "tool_result")
        if entry.get("type") == "user" and not results:
            calls.clear()  # a prompt
        calls |= {block["id"]: block for block in _blocks(entry, "tool_use")}
        for block in results:
            calls.pop(block["tool_use_id"], None)
    return next(iter(calls.values())) if len(calls) == 1 else None


def _deferred(call: Entry, last: Entry) -> Entry:
    return {
        "parentUuid": last["uuid"],
        "isSidechain": False,
        "attachment": {
            "type": "hook_deferred_tool",
            "toolUseID": call["id"],
            "toolName": call["name"],
            "toolInput": call["input"],
            "hookName": "PreToolUse",
            "hookEvent": "PreToolUse",
            "permissionMode": "default",
        },
        "type": "attachment",
        "uuid": str(uuid.uuid4()),
        **{name: last[name] for name in _FROM_BEFORE if name in last},
    }


def _read(line: bytes) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}  # of no use to us; the CLI passes over it, too
    return entry if isinstance(entry, dict) and not entry.get("isSidechain") else {}


def _blocks(entry: Entry, kind: str) -> list[Entry]:
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if isinstance(block, dict) and block.get("type") == kind]


def leave_out(transcript: Path, prompt_uuid: str) -> bool:
    """Cut off a prompt and all that followed it, so that a resume goes on from before it."""
    try:
        lines = _content(transcript).splitlines(keepends=True)
    except FileNotFoundError:
        return False
    for index, line in enumerate(lines):
        entry = _read(line)
        if entry.get("type") == "user" and entry.get("uuid") == prompt_uuid:
            with open_record(transcript, "r+b") as file:
                file.truncate(sum(map(len, lines[:index])))
            return True
    return False


def set_aside(transcript: Path) -> None:
    """Keep a transcript that can't be resumed from under another name."""
    if transcript.exists():
        transcript.replace(transcript.with_name(f"{transcript.name}.{uuid.uuid4().hex[:8]}"))


def _content(transcript: Path) -> bytes:
    with open_record(transcript, "rb") as file:
        return file.read(_MAX)


def open_record(transcript: Path, mode: Mode) -> BinaryIO:
    """The record, as a file; raises FileNotFoundError also for a link or pipe in its place.

    It is in a folder that the agent can write to, two folders deep.
    """
    return open_beneath(transcript.parents[2], Path(*transcript.parts[-3:]), mode)
