"""What a runner does with a message of the SDK: log an event, or let viewers see it grow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loopagent.domain.events import Event
from loopagent.domain.ids import EventId


@dataclass(frozen=True, slots=True)
class Emit:
    event: Event


@dataclass(frozen=True, slots=True)
class OpenDraft:
    event_id: EventId
    kind: str


@dataclass(frozen=True, slots=True)
class DraftText:
    text: str


@dataclass(frozen=True, slots=True)
class CloseDraft:
    """The draft will not be completed."""


Step = Emit | OpenDraft | DraftText | CloseDraft


def emitted(steps: Iterable[Step]) -> list[Event]:
    """The events among the steps."""
    return [step.event for step in steps if isinstance(step, Emit)]
