"""What became of a tool call: what somebody answered to it, and what it gave back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.rules import Rule
from loopagent.web.pages.wishes import rule_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody answered to an ask. always: what is allowed from now on, in words."""

    allowed: bool
    message: str | None = None
    by: str | None = None
    input: Mapping[str, Any] | None = None
    always: str = ""
    agent_wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a tool gave back. size: bytes of the whole output where only its beginning is here."""

    id: EventId
    seq: int
    text: str
    failed: bool
    details: Any = None
    size: int | None = None
    images: Sequence[Mapping[str, Any]] = ()


def answer_of(event: e.UserToolConfirmation) -> Answer:
    """What somebody decided about a tool call."""
    loop = event.loop or {}
    return Answer(
        allowed=event.result == "allow",
        message=event.deny_message,
        by=loop.get("answered_by"),
        input=loop.get("updated_input"),
        always=", ".join(rule_line(Rule(**rule)) for rule in loop.get("always") or ()),
        agent_wide=loop.get("scope") == "agent",
    )


def result_of(event: e.AgentToolResult | e.AgentMcpToolResult) -> Result:
    """What a tool call gave back."""
    loop = event.loop or {}
    return Result(
        id=event.id,
        seq=event.seq or 0,
        text=e.plain_text(event.content or []),
        failed=bool(event.is_error),
        details=loop.get("result"),
        size=loop.get("bytes") if loop.get("blob") else None,
        images=images_in(event.content),
    )


def images_in(content: Sequence[e.Block] | None) -> list[dict[str, object]]:
    """The sources of the images in a message or result."""
    blocks = [part for part in content or () if isinstance(part, e.SourceBlock)]
    return [part.source for part in blocks if part.type == "image"]


def files_in(content: Sequence[e.Block] | None) -> list[str]:
    """The names of the documents in a message."""
    blocks = [part for part in content or () if isinstance(part, e.SourceBlock)]
    titles = [(part.model_extra or {}).get("title") for part in blocks if part.type == "document"]
    return [str(title or "Attached file") for title in titles]
