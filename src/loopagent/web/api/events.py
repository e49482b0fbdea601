"""`/v1/sessions/{id}/events`: send, list, stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import Header, Query
from starlette.responses import Response

from loopagent.domain.ids import SessionId
from loopagent.eventlog.frames import DraftDelta, Frame
from loopagent.web.api.bodies import EventsSend
from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.once import NewIds
from loopagent.web.api.queries import EventsPage, StreamQuery, resume_point
from loopagent.web.api.route import json_router
from loopagent.web.api.shapes import raw_answer
from loopagent.web.services import Services
from loopagent.web.sse import EventStream

router = json_router("/v1/sessions/{session_id}/events", "Events")

LastEventId = Annotated[str | None, Header(description="Go on after this `seq`.")]


@router.post("", summary="Send messages, answers to tool calls, or an interrupt")
async def send(
    use: Use, who: Caller, ids: NewIds, session_id: SessionPath, body: EventsSend
) -> Response:
    return raw_answer(await use.sessions.send(who, session_id, ids.events(body.events)))


@router.get("", summary="List events in order")
async def list_events(
    use: Use, who: Caller, session_id: SessionPath, query: Annotated[EventsPage, Query()]
) -> Response:
    rows = await use.sessions.events(
        who,
        session_id,
        **query.place(),
        limit=query.limit + 1,
        order=query.order,
        types=tuple(query.types),
        hidden=None if query.types else "loop.",
        processed=query.bounds(),
    )
    shown = rows[: query.limit]
    following = query.token(shown[-1].seq) if len(rows) > query.limit else None
    return raw_answer((row.body for row in shown), next_page=following)


@router.get("/stream", summary="Follow a session live", response_class=Response)
async def stream(
    use: Use,
    who: Caller,
    session_id: SessionPath,
    query: Annotated[StreamQuery, Query()],
    last_event_id: LastEventId = None,
) -> Response:
    """Begins with what happens from now on; with `after` or `Last-Event-ID`, after that `seq`."""
    session = await use.sessions.get(who, session_id)
    start = resume_point(last_event_id, query.after)
    cursor = session.seq if start is None else start
    return EventStream(frames(use, session_id, cursor, frozenset(query.event_deltas)))


async def frames(
    use: Services, session_id: SessionId, after: int, deltas: frozenset[str]
) -> AsyncGenerator[bytes, None]:
    """The frames of a session after a seq, as bytes, without end."""
    async with aclosing(use.log.follow(session_id, after, deltas=deltas)) as following:
        async for frame in following:
            if not is_thinking_text(frame):
                yield frame.sse()


def is_thinking_text(frame: Frame) -> bool:
    """On the wire thinking is announced only; the official clients choke on its text."""
    return isinstance(frame, DraftDelta) and frame.type == "agent.thinking"
