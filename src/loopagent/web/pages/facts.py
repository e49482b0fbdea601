"""What pages say about a session: its head, its dock, the newest part of its transcript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.budget import Limits
from loopagent.domain.ids import EventId, SessionId
from loopagent.domain.money import MicroUSD, differs, format_dollars, to_dollars
from loopagent.domain.session import Session
from loopagent.errors import NotFoundError
from loopagent.web.pages import words
from loopagent.web.pages.blocks import Block
from loopagent.web.pages.contexts import Budget, Dock, Head, RunningTask, Waiting
from loopagent.web.pages.listing import state_of
from loopagent.web.pages.transcript import Transcript
from loopagent.web.services import Services

WINDOW = 300  # events that a page reads
SHOWN = 100  # top-level blocks on a page
_AHEAD = 300  # events in which the results of earlier calls are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a transcript. older: the seq before which there is more, or None."""

    blocks: Sequence[Block]
    seq: int
    older: int | None


def head_of(session: Session, limits: Limits) -> Head:
    """The live part above a transcript. limits: the server's budgets."""
    tokens = session.usage.total_tokens
    limit = limits.session if session.budget is None else session.budget
    return Head(
        id=session.id,
        title=session.title or "",
        state=state_of(session),
        model=words.model_name(session.agent.model.id),
        cost=format_dollars(session.cost) if session.cost else "",
        tokens=words.count(tokens) if tokens else "",
        model_id=session.agent.model.id,
        recovery=session.recovery,
        isolation=session.isolation,
        isolation_means=words.ISOLATION.get(session.isolation, ""),
        is_archived=session.archived_at is not None,
        budget=None if limit is None else _budget(session.cost, limit),
        cost_means=_cost_means(session),
    )


def _budget(spent: MicroUSD, limit: MicroUSD) -> Budget:
    text = f"{format_dollars(spent)} of {format_dollars(limit)}"
    return Budget(spent=min(spent, limit), limit=max(limit, 1), text=text)


def _cost_means(session: Session) -> str:
    if not differs(session.cost, session.reported_cost, session.turns):
        return "Cost so far, as metered by this server"
    return (
        f"Metered by this server: ${to_dollars(session.cost)}. The agent program reports "
        f"${to_dollars(session.reported_cost)}: it does not know of answers that were cut."
    )


async def dock_of(services: Services, who: Principal, session_id: SessionId) -> Dock:
    """The messages that wait, and what runs beside the conversation."""
    queue = await services.queue.list(who, session_id)
    tasks = await services.tasks.list(who, session_id)
    return Dock(
        queue=[
            Waiting(
                event_id=item.event_id,
                text=e.plain_text(item.message.content),
                is_steering=item.message.mode == "steer",
            )
            for item in queue
        ],
        tasks=[
            RunningTask(
                task_id=task.task_id,
                icon="terminal" if task.kind == "local_bash" else "bot",
                words=task.command or task.description,
                since=task.started_at,
            )
            for task in tasks
        ],
    )


async def event_of(services: Services, session_id: SessionId, event_id: EventId) -> e.Event:
    """An event by its id; raises NotFoundError."""
    row = await services.log.event(session_id, event_id)
    if row is None:
        raise NotFoundError("There is no such event in this session. Reload the page.")
    return e.parse_event(row.body)


async def newest_part(services: Services, session_id: SessionId) -> Part:
    """The end of a transcript, with the text that is being written."""
    rows = await services.log.page(session_id, limit=WINDOW, order="desc")
    transcript = Transcript()
    for row in reversed(rows):
        transcript.apply(e.parse_event(row.body))
    draft = services.log.live(session_id).draft
    if draft is not None:
        transcript.start_draft(draft.event_id, draft.kind)
        transcript.extend_draft(draft.event_id, 0, draft.text)
    return _part(transcript, rows[-1].seq if rows else 0)


async def earlier_part(services: Services, session_id: SessionId, before: int) -> Part:
    """The part of a transcript that ends before an event."""
    rows = await services.log.page(session_id, before=before, limit=WINDOW, order="desc")
    transcript = Transcript()
    for row in reversed(rows):
        transcript.apply(e.parse_event(row.body))
    transcript.close()
    if transcript.pending:
        # Their results lie in the part that the reader has already.
        for row in await services.log.page(session_id, after=before - 1, limit=_AHEAD):
            transcript.complete(e.parse_event(row.body))
    return _part(transcript, rows[-1].seq if rows else 0)


def _part(transcript: Transcript, oldest: int) -> Part:
    """The last blocks; what is cut off before them comes with the next earlier part."""
    blocks = transcript.top()
    shown = blocks[-SHOWN:]
    if len(shown) < len(blocks):
        return Part(blocks=shown, seq=transcript.seq, older=shown[0].first)
    return Part(blocks=shown, seq=transcript.seq, older=oldest if oldest > 1 else None)
