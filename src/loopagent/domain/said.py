"""What an event says in plain words: the text by which a session is found again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loopagent.domain import events as e
from loopagent.domain.text import well_formed

# Enough to find it by; a file that was written whole would fill the index.
LONGEST = 20_000

# No database takes a zero in its text, and nobody searches for the others.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Said:
    """kind: who says it, or that it is a tool's input."""

    kind: Literal["user", "agent", "tool"]
    text: str


def said(event: e.Event) -> Said | None:
    """The words of a message or of a tool call's input; None for anything else."""
    match event:
        case e.UserMessage():
            return _said("user", e.plain_text(event.content))
        case e.AgentMessage():
            return _said("agent", e.plain_text(event.content))
        case e.AgentToolUse() | e.AgentMcpToolUse():
            tool = (event.loop or {}).get("tool") or event.name
            return _said("tool", "\n".join([str(tool), *_leaves(event.input)]))
        case _:
            return None


def _said(kind: Literal["user", "agent", "tool"], text: str) -> Said | None:
    words = well_formed(_CONTROL.sub(" ", text[:LONGEST])).strip()
    return Said(kind, words) if words else None


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for part in value.values():
                yield from _leaves(part)
        case Sequence():
            for part in value:
                yield from _leaves(part)
        case _:
            pass
