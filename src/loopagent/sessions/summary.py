"""The log in short, for an agent whose own record of the conversation can't be used any more."""

from __future__ import annotations

from collections.abc import Sequence

from loopagent.domain import events as e

_MAX_TEXT = 2_000  # characters of one message
_MAX_TOTAL = 24_000

_HEAD = (
    "Your own record of this conversation was lost. This is what its log holds, shortened, oldest "
    "first; the files in your working directory are as you left them. The next message follows it."
)


def summary_of(turns: Sequence[e.Event]) -> str | None:
    """What was said and done before, as one text; None if that is nothing.

    turns: events of the log, oldest first. The newest are kept where there are too many.
    """
    lines: list[str] = []
    total = 0
    refused = False  # whether the message that comes next was refused by the model's API
    for event in reversed(turns):
        line = _line(event)
        if isinstance(event, e.SessionError):
            refused = refused or event.error.type == "message_rejected_error"
        if line is None or (refused and isinstance(event, e.UserMessage)):
            refused = refused and line is None
            continue
        total += len(line)
        if total > _MAX_TOTAL:
            lines.append("(What came before is left out.)")
            break
        lines.append(line)
    if not lines:
        return None
    return "\n\n".join([_HEAD, *reversed(lines)])


def _line(event: e.Event) -> str | None:
    match event:
        case e.UserMessage():
            return f"User: {_short(e.plain_text(event.content))}"
        case e.AgentMessage():
            return f"You: {_short(e.plain_text(event.content))}"
        case e.AgentToolUse() | e.AgentMcpToolUse():
            return f"You called {event.name}: {_short(str(event.input))}"
        case _:
            return None


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} (…)"
