"""What a runner does with a message of the SDK: log an event, or let viewers see it grow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loopagent.agent.ports import Port
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


async def carry_out(step: Step, port: Port) -> None:
    """Let a step be seen."""
    match step:
        case Emit(event):
            await port.emit([event])
        case OpenDraft(event_id, kind):
            port.open_draft(event_id, kind)
        case DraftText(text):
            port.extend_draft(text)
        case CloseDraft():
            port.close_draft()


def emitted(steps: Iterable[Step]) -> list[Event]:
    """The events among the steps."""
    return [step.event for step in steps if isinstance(step, Emit)]
