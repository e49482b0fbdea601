"""Short answers to what the CLI asks on its own account: titles, summaries, quota checks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from loopagent.scripted.request import Conversation
from loopagent.scripted.script import Round, Text

_SUMMARY = "Your task is to create a detailed summary of the conversation"
_TITLE_WORDS = 6


def reply(conversation: Conversation) -> Round | None:
    """Give the answer to a side request, else None."""
    if conversation.schema is not None:
        answer = json.dumps(_example(conversation.schema, _title(conversation.prompt)))
    elif _SUMMARY in conversation.prompt:
        answer = f"<analysis>Scripted.</analysis>\n<summary>{_summary(conversation)}</summary>"
    elif conversation.prompt == "quota":
        answer = "ok"
    else:
        return None
    return Round(steps=(Text(text=answer),))


def _title(prompt: str) -> str:
    inner = re.search(r"<session>(.*?)</session>", prompt, re.DOTALL)
    words = re.sub(r"\[\[.*?\]\]", " ", inner[1] if inner else prompt, flags=re.DOTALL).split()
    return " ".join(words[:_TITLE_WORDS]) or "Scripted session"


def _summary(conversation: Conversation) -> str:
    asked = "\n".join(f"{n}. {text}" for n, text in enumerate(conversation.earlier, start=1))
    # The summary comes back as a user's message: its directives must not run again.
    return f"The user asked:\n{asked}".replace("[[", "[").replace("]]", "]")


def _example(schema: Mapping[str, Any], text: str) -> Any:
    """Give the plainest value that meets a JSON schema."""
    if choices := schema.get("enum"):
        return choices[0]
    kind = schema.get("type")
    if kind == "object":
        parts = schema.get("properties", {})
        return {name: _example(parts.get(name, {}), text) for name in schema.get("required", parts)}
    plain = {"array": [], "boolean": False, "integer": 0, "number": 0, "null": None}
    return plain.get(str(kind), text)
