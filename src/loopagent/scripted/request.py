"""Reading a Messages API request: which prompt is answered, and how far its script has come.

Everything is derived from the request alone, so a script goes on after a restart, a resume, or
beside other sessions. This module does not decide what to answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_CWD = re.compile(
    r"^[ \t]*-?[ \t]*(?:Primary )?[Ww]orking directory:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE
)
# Text that the CLI puts into user messages on its own: it is no prompt and starts no new script.
_CLI_TEXTS = (
    "[Request interrupted by user",
    "Continue from where you left off",
    "<local-command-",
    "<command-name>",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """One answered tool call since the last prompt, in the order of the calls."""

    name: str
    input: Mapping[str, Any]
    text: str
    is_error: bool

    @property
    def refused(self) -> bool:
        """Whether the call was not carried out, as opposed to a command that ended with an error."""
        return self.is_error and not self.text.startswith("Exit code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the scripted model knows about one request."""

    model: str = ""
    prompt: str = ""
    position: int = -1
    """Index of the prompt's message: the same for every retry and every round of one prompt."""
    round: int = 0
    """How many replies the prompt has had already."""
    results: tuple[ToolResult, ...] = ()
    earlier: tuple[str, ...] = ()
    cwd: str | None = None
    tools: frozenset[str] = field(default_factory=frozenset)
    system: str = ""
    session: str = ""
    tokens: int = 1
    max_tokens: int = 0
    wants_json: bool = False

    def path(self, name: str) -> str:
        """Give `name` as an absolute path in the workspace, or unchanged when that is unknown."""
        if self.cwd is None or name.startswith("/"):
            return name
        return f"{self.cwd.rstrip('/')}/{name}"


def read(body: Mapping[str, Any], session: str = "") -> Conversation:
    """Read a request body; missing or odd parts count as empty."""
    messages = [entry for entry in _list(body.get("messages")) if isinstance(entry, Mapping)]
    prompts = [
        (index, text)
        for index, entry in enumerate(messages)
        if entry.get("role") == "user" and (text := _prompt(entry.get("content")))
    ]
    position, prompt = prompts[-1] if prompts else (-1, "")
    since = messages[position + 1 :]
    system = _plain(body.get("system"))
    output = body.get("output_config")
    return Conversation(
        model=str(body.get("model", "")),
        prompt=prompt,
        position=position,
        round=_replies(since),
        results=_results(messages[max(position, 0) :]),
        earlier=tuple(text for _, text in prompts[:-1]),
        cwd=_cwd(system, messages),
        tools=frozenset(
            str(tool.get("name")) for tool in _list(body.get("tools")) if isinstance(tool, Mapping)
        ),
        system=system,
        session=session,
        tokens=estimate_tokens(messages),
        max_tokens=limit if isinstance(limit := body.get("max_tokens"), int) else 0,
        wants_json=isinstance(output, Mapping) and bool(output.get("format")),
    )


def estimate_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """Estimate the tokens of messages: four characters each, and at least one."""
    return max(1, sum(len(_plain(entry.get("content"))) for entry in messages) // 4)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    for block in _list(content):
        if isinstance(block, Mapping):
            yield block


def _plain(content: Any) -> str:
    """All text of a content value, that of tool results included."""
    parts = []
    for block in _blocks(content):
        if block.get("type") == "tool_result":
            parts.append(_plain(block.get("content")))
        elif isinstance(block.get("text"), str):
            parts.append(block["text"])
    return "\n".join(parts)


def _prompt(content: Any) -> str:
    """What a person wrote in a user message, without what the CLI added; empty if nothing."""
    parts = []
    for block in _blocks(content):
        if block.get("type") in {"image", "document"}:
            parts.append(f"({block['type']})")
        if block.get("type") != "text":
            continue
        text = _REMINDER.sub("", str(block.get("text", ""))).strip()
        if text and not text.startswith(_CLI_TEXTS):
            parts.append(text)
    return "\n".join(parts)


def _replies(messages: Sequence[Mapping[str, Any]]) -> int:
    """Count the assistant's replies; neighbouring assistant messages are parts of one."""
    roles = [entry.get("role") for entry in messages if entry.get("role") != "system"]
    return sum(
        role == "assistant" and (index == 0 or roles[index - 1] != "assistant")
        for index, role in enumerate(roles)
    )


def _results(messages: Sequence[Mapping[str, Any]]) -> tuple[ToolResult, ...]:
    calls: dict[str, Mapping[str, Any]] = {}
    results = []
    for entry in messages:
        for block in _blocks(entry.get("content")):
            if block.get("type") == "tool_use":
                calls[str(block.get("id"))] = block
            elif block.get("type") == "tool_result":
                call = calls.get(str(block.get("tool_use_id")))
                if call is not None:
                    results.append(_result(call, block))
    return tuple(results)


def _result(call: Mapping[str, Any], block: Mapping[str, Any]) -> ToolResult:
    given = call.get("input")
    return ToolResult(
        name=str(call.get("name")),
        input=given if isinstance(given, Mapping) else {},
        text=_REMINDER.sub("", _plain(block.get("content"))).strip(),
        is_error=bool(block.get("is_error")),
    )


def _cwd(system: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Find the newest working directory that the CLI told of; only its own texts are believed."""
    told = [system]
    for entry in messages:
        text = _plain(entry.get("content"))
        if entry.get("role") == "system":
            told.append(text)
        elif entry.get("role") == "user":
            told.extend(_REMINDER.findall(text))
    for text in reversed(told):
        if found := _CWD.findall(text):
            return str(found[-1])
    return None
