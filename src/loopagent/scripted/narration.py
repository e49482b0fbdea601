"""How the scripted model talks: paced text with a thought before it, and quoted tool output."""

from __future__ import annotations

import re
from collections.abc import Iterable

from loopagent.scripted.request import Conversation, ToolResult
from loopagent.scripted.script import Round, Step, Text, ToolCall

# Fast enough to read along, slow enough to see that it streams.
PACE = 60.0
_OUTPUT_LINES = 30


def say(text: str, *calls: ToolCall, thought: str = "") -> Round:
    """A round that thinks, says something and then makes calls, all at once if several."""
    steps: list[Step] = []
    if thought:
        steps.append(Text(text=thought, kind="thinking", pace=PACE))
    steps.append(Text(text=text, pace=PACE))
    steps += [
        ToolCall(name=call.name, input=call.input, parallel=number > 0)
        for number, call in enumerate(calls)
    ]
    return Round(steps=tuple(steps))


def fenced(output: str, language: str = "") -> str:
    """Put tool output into a code block that nothing inside it can close."""
    lines = output.splitlines() or ["(nothing)"]
    if len(lines) > _OUTPUT_LINES:
        lines = [f"… {len(lines) - _OUTPUT_LINES} lines before", *lines[-_OUTPUT_LINES:]]
    longest = max((len(run) for run in re.findall(r"`+", output)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *lines, fence])


def stopped(result: ToolResult, so_far: str) -> Round:
    """The honest end after a call that was denied or could not be carried out."""
    reason = re.sub(r"</?tool_use_error>", "", result.text).strip()
    short = reason if len(reason) <= 300 else f"{reason[:300]}…"
    quoted = "\n".join(f"> {line}" for line in short.splitlines()) or "> (no reason given)"
    return say(
        f"**{result.name}** was not carried out:\n\n{quoted}\n\n"
        f"{so_far} I stop here, because my script has nothing true to say without that result. "
        "Send the same prompt again to start over."
    )


def refused(conversation: Conversation) -> ToolResult | None:
    """Give the first call since the prompt that was not carried out."""
    return next((result for result in conversation.results if result.refused), None)


def lacking(conversation: Conversation, needed: Iterable[str]) -> Round | None:
    """Say which tools this session's agent has not, or None if all are there."""
    missing = sorted(set(needed) - conversation.tools) if conversation.tools else []
    if not missing:
        return None
    names = ", ".join(f"`{name}`" for name in missing)
    return say(
        f"This session's agent has no {names}, which my script needs. Allow it and ask again."
    )
