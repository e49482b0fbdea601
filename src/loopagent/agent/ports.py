"""What a runner is given and what it asks for: records and the port to the outside.

The agent room reaches neither the database nor a credential: whoever runs it hands it a port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loopagent.domain.events import Block, Event
from loopagent.domain.ids import EventId
from loopagent.domain.permissions import Grounds
from loopagent.domain.rules import Rule
from loopagent.domain.session import Session

CUT = "The call was cut when the agent process ended; its result is not known."
"""What stands in the log as the result of a call that got none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A user message that has its place in the log and is to be given to the model.

    seq: its place, where it begins a turn; 0 where the turn has begun before.
    """

    event_id: EventId
    content: list[Block]
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """A message for the turn under way. is_logged: an earlier process has taken it already."""

    prompt: Prompt
    is_logged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to an ask. rules: what need not be asked any more."""

    allow: bool
    message: str | None = None
    updated_input: dict[str, Any] | None = None
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A tool call in the log that has no result yet."""

    event_id: EventId
    tool_use_id: str
    tool: str
    tool_input: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneCall:
    """A tool call whose result the log holds, and the CLI's record does not."""

    event_id: EventId
    tool: str
    tool_input: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What a cut turn left behind: it is run again, and what is the same is not logged twice.

    calls: tool calls without a result, oldest first.
    draft_id, draft_text: the message that was being written.
    is_recorded: whether the CLI's transcript holds the turn's prompt.
    is_complete: whether it holds the end of the turn's answer, too.
    done: calls that the transcript has lost together with their results, oldest first.
    unlogged: what the CLI's transcript holds of the turn beyond the log, one block per entry.
    """

    calls: tuple[OpenCall, ...] = ()
    draft_id: EventId | None = None
    draft_text: str = ""
    is_recorded: bool = False
    is_complete: bool = False
    done: tuple[DoneCall, ...] = ()
    unlogged: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """Everything that one agent process needs.

    cli: the launcher file, given to the SDK as its command.
    resume: whether the CLI has a transcript of this session.
    preface: what the agent must be told first, since its own record of the session is lost.
    transcript: the CLI's own record of the conversation, if there is one.
    turn_seconds, silence_seconds: limits of a turn; waiting for an answer counts for neither.
    max_turns: the most model requests of one turn; None is no limit.
    """

    session: Session
    cwd: Path
    cli: Path
    resume: bool
    grounds: Grounds
    transcript: Path
    turn_seconds: float
    silence_seconds: float
    preface: str | None = None
    recovery: Recovery | None = None
    max_turns: int | None = None

    @property
    def done(self) -> tuple[DoneCall, ...]:
        """Calls of the turn that it takes up which must not be carried out again."""
        return self.recovery.done if self.recovery is not None else ()

    @property
    def is_answered(self) -> bool:
        """True if the process may find nothing left to do in the turn that it takes up."""
        return self.recovery is not None and self.recovery.is_complete


class Port(Protocol):
    """The runner's way out. Every call is awaited in the order of the log."""

    async def emit(self, events: Sequence[Event]) -> None:
        """Append to the log."""

    async def waiting(self, ask: EventId) -> Verdict | None:
        """The answer to an ask if the log holds one, else None: then the log says that the
        session waits for it."""

    async def rules(self) -> Sequence[Rule]:
        """What was allowed always in this session."""

    async def ended(self, events: Sequence[Event]) -> Prompt | None:
        """Append the end of a turn; gives the next queued message, which then has begun."""

    async def steers(self, *, with_logged: bool) -> Sequence[Steer]:
        """Messages for the turn under way; with those that are in the log of it already."""

    async def taken(self, event_id: EventId) -> None:
        """The agent has taken such a message."""

    def open_draft(self, event_id: EventId, kind: str) -> None:
        """A message begins; viewers may see it grow."""

    def extend_draft(self, text: str) -> None:
        """The message that is being written goes on."""

    def close_draft(self) -> None:
        """The message that was being written will not be completed."""
