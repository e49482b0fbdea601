"""What a session looks like in a terminal. Text of the model never reaches it as control codes."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

# Escape sequences, other control characters, and marks that turn the reading direction.
_UNSAFE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-?]*[ -/]*[@-~]|\x1b."
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\u202a-\u202e\u2066-\u2069]"
)


def safe(text: str) -> str:
    """Text without anything that a terminal would act on."""
    return _UNSAFE.sub("", text)


class Screen:
    """Prints a session's events: as they are for people, or one JSON line each."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._streamed: set[str] = set()

    def show(self, event: dict[str, Any]) -> None:
        """Print one event of the stream."""
        if self._as_json:
            print(json.dumps(event, ensure_ascii=False), flush=True)
            return
        match event["type"]:
            case "event_delta":
                self._streamed.add(event["event_id"])
                self._write(event["delta"]["content"]["text"])
            case "agent.message":
                text = "".join(block.get("text", "") for block in event["content"])
                self._write("\n" if event["id"] in self._streamed else text + "\n")
            case "agent.tool_use" | "agent.mcp_tool_use":
                self._line(f"· {event['name']} {_subject(event['input'])}")
            case "agent.tool_result" if event.get("is_error"):
                text = "".join(block.get("text", "") for block in event.get("content", ()))
                self._line(f"  failed: {text[:200]}")
            case "session.error":
                self._line(f"! {event['error']['message']}")
            case _:
                pass

    def _write(self, text: str) -> None:
        sys.stdout.write(safe(text))
        sys.stdout.flush()

    def _line(self, text: str) -> None:
        line = " ".join(safe(text).split())
        print(f"\x1b[2m{line}\x1b[0m" if self._colours else line, flush=True)


def _subject(tool_input: dict[str, Any]) -> str:
    for key in ("command", "file_path", "pattern", "path", "subject", "description"):
        if key in tool_input:
            return str(tool_input[key])
    return ""
