"""Reading a Messages API request: which prompt is answered, and how far its script has come.

Everything is derived from the request alone, so a script goes on after a restart, a resume, or
beside other sessions. This module does not decide what to answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>", re.DOTALL)
_CWD = re.compile(
    r"^[ \t]*-?[ \t]*(?:Primary )?[Ww]orking directory:[ \t]*(\S.*?)(?: \(was .*\))?[ \t]*$",
    re.MULTILINE,
)
_STEER = re.compile(
    r"^The user sent a new message while you were working:\n(.*?)(?:\n\nThis is how |\Z)", re.DOTALL
)
_NOTICE = re.compile(r"<task-notification>.*?</task-notification>", re.DOTALL)
# What the CLI puts into user messages on its own: it is no prompt and starts no new script.
_CLI_TEXTS = (
    "[Request interrupted by user",
    "Continue from where you left off",
    "Output token limit hit.",
    "Your response above was cut off mid-stream",
    "Your response above was stopped by a safety classifier",
    "This session is being continued from a previous conversation",
    "<local-command-",
    "<command-name>",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """One answered tool call since the last prompt, in the order of the answers."""

    name: str
    input: Mapping[str, Any]
    text: str
    is_error: bool

    @property
    def refused(self) -> bool:
        """Whether the call was not carried out, as opposed to a command that ended in failure."""
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
    """The answered tool calls since the prompt."""
    earlier: tuple[str, ...] = ()
    """The prompts before this one."""
    steer: str = ""
    """What the person added since the last reply, while the turn went on."""
    notice: str = ""
    """What the CLI told since the last reply about a background task."""
    cwd: str | None = None
    tools: frozenset[str] = field(default_factory=frozenset)
    system: str = ""
    session: str = ""
    tokens: int = 1
    standing: int = 0
    """The tokens that stand before every request of a conversation: system prompt and tools."""
    is_first: bool = True
    """Whether nothing was answered yet: what stands is then written to the cache, later read."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema that the answer must meet, if the request has one."""

    def path(self, name: str) -> str:
        """Give `name` as an absolute path in the workspace, or unchanged when that is unknown."""
        if self.cwd is None or name.startswith("/"):
            return name
        return f"{self.cwd.rstrip('/')}/{name}"

    def result(self, name: str, part: str = "") -> ToolResult | None:
        """Give the last answer to a call of tool `name` with `part` somewhere in its input."""
        for result in reversed(self.results):
            given = result.input.values()
            if result.name == name and (not part or any(part in str(value) for value in given)):
                return result
        return None


def read(body: Mapping[str, Any], session: str = "") -> Conversation:
    """Read a request body; missing or odd parts count as empty."""
    messages = [entry for entry in _list(body.get("messages")) if isinstance(entry, Mapping)]
    prompts = [(i, text) for i, entry in enumerate(messages) for text in _prompts(entry)]
    position, prompt = prompts[-1] if prompts else (-1, "")
    system = plain_text(body.get("system"))
    fresh = _since_reply(messages)
    return Conversation(
        model=str(body.get("model", "")),
        prompt=prompt,
        position=position,
        round=_replies(messages[position + 1 :]),
        results=_results(messages[max(position, 0) :]),
        earlier=tuple(text for _, text in prompts[:-1]),
        steer=_last(_steer(entry) for entry in fresh),
        notice=_last(found for entry in fresh for found in _notices(entry)),
        cwd=_cwd(system, messages),
        tools=frozenset(
            str(tool.get("name")) for tool in _list(body.get("tools")) if isinstance(tool, Mapping)
        ),
        system=system,
        session=session,
        tokens=max(1, sum(len(plain_text(e.get("content"))) for e in messages) // 4),
        standing=(len(system) + len(json.dumps(_list(body.get("tools"))))) // 4,
        is_first=not any(entry.get("role") == "assistant" for entry in messages),
        schema=_schema(body.get("output_config")),
    )


def plain_text(content: Any) -> str:
    """Give all text of a content value, that of tool results included."""
    parts = []
    for block in _blocks(content):
        if block.get("type") == "tool_result":
            parts.append(plain_text(block.get("content")))
        elif isinstance(block.get("text"), str):
            parts.append(block["text"])
    return "\n".join(parts)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _last(texts: Iterator[str]) -> str:
    found = ""
    for text in texts:
        found = text or found
    return found


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        yield {"type": "text", "text": content}
    for block in _list(content):
        if isinstance(block, Mapping):
            yield block


def _prompts(entry: Mapping[str, Any]) -> list[str]:
    """What a person wrote in one message, prompt by prompt.

    There are several when the ones before got no answer (a failure, an interrupt): the CLI then
    joins the messages and ends each but the last with a line break. Directives sent in mid-turn
    are a prompt, too; plain words sent in mid-turn are not, the running script goes on.
    """
    if entry.get("role") == "system":
        steer = _steer(entry)
        return [steer] if "[[" in steer else []
    if entry.get("role") != "user":
        return []
    prompts: list[str] = []
    joined = False
    for block in _blocks(entry.get("content")):
        text = str(block.get("text", ""))
        said = _REMINDER.sub("", text).strip()
        if block.get("type") in {"image", "document"}:
            said = f"({block['type']})"
        if block.get("type") == "tool_result" or not said or said.startswith(_CLI_TEXTS):
            joined = False
            continue
        if joined:
            prompts[-1] += f"\n{said}"
        else:
            prompts.append(said)
        joined = not text.endswith("\n")
    return prompts


def _steer(entry: Mapping[str, Any]) -> str:
    if entry.get("role") != "system":
        return ""
    found = _STEER.match(plain_text(entry.get("content")))
    return found[1].strip() if found else ""


def _notices(entry: Mapping[str, Any]) -> list[str]:
    if entry.get("role") != "user":
        return []
    reminders = _REMINDER.findall(plain_text(entry.get("content")))
    return [notice for text in reminders for notice in _NOTICE.findall(text)]


def _since_reply(messages: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "assistant":
            return messages[index + 1 :]
    return messages


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
        text=_REMINDER.sub("", plain_text(block.get("content"))).strip(),
        is_error=bool(block.get("is_error")),
    )


def _schema(output: Any) -> Mapping[str, Any] | None:
    form = output.get("format") if isinstance(output, Mapping) else None
    schema = form.get("schema") if isinstance(form, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def _cwd(system: str, messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Find the newest working directory that the CLI told of; only its own texts are believed."""
    told = [system]
    for entry in messages:
        if entry.get("role") == "system":
            told.append(plain_text(entry.get("content")))
        elif entry.get("role") == "user":
            told.extend(_REMINDER.findall(plain_text(entry.get("content"))))
    for text in reversed(told):
        if found := _CWD.findall(text):
            return str(found[-1])
    return None
