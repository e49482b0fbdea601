"""What a transaction on a session did."""

from __future__ import annotations

from dataclasses import dataclass, field

from loopagent.agent.ports import Prompt
from loopagent.domain.events import SendMode
from loopagent.eventlog.frames import StoredEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a transaction did.

    rows: new rows, to be published.
    answer: the wire's JSON of the event that was sent.
    prompt: the message whose turn has begun.
    queued: the mode of a message that waits now.
    """

    rows: list[StoredEvent] = field(default_factory=list)
    answer: str = ""
    prompt: Prompt | None = None
    queued: SendMode | None = None
