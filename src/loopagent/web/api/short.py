"""`/api`: the short form, for curl and small programs. The same sessions, the same log."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import AgentId, EventId, SessionId
from loopagent.errors import ConflictError, InvalidRequestError
from loopagent.eventlog.frames import Row
from loopagent.web.api.bodies import ShortConfirm, ShortCreate, ShortMessage, ShortUpdate
from loopagent.web.api.events import LastEventId, frames
from loopagent.web.api.given import Caller, SessionPath, Use
from loopagent.web.api.input import message, text_message
from loopagent.web.api.messages import TYPES, short_message
from loopagent.web.api.once import NewIds
from loopagent.web.api.queries import SessionsPage, ShortEventsPage, resume_point
from loopagent.web.api.route import json_router
from loopagent.web.api.sessions import shown
from loopagent.web.api.shapes import answer, page, raw_answer
from loopagent.web.api.turn import DELTAS, send_and_follow
from loopagent.web.services import Services
from loopagent.web.sse import EventStream

router = json_router("/api/sessions", "Short form")


@router.post("", summary="Create a session; a prompt starts its first turn", status_code=201)
async def create(use: Use, who: Caller, ids: NewIds, body: ShortCreate | None = None) -> Response:
    body = body or ShortCreate()
    session = await use.sessions.create(
        who,
        session_id=ids.session(),
        agent=AgentId(body.agent.id) if body.agent else None,
        agent_version=body.agent.version if body.agent else None,
        overrides=body.agent.overrides() if body.agent else None,
        title=body.title,
        template=body.template,
        recovery=body.recovery,
        model=body.model.id if body.model else None,
        messages=[] if body.prompt is None else [text_message(body.prompt, ids.event())],
    )
    return answer(shown(use, session), 201)


@router.get("", summary="List sessions, newest first")
async def list_sessions(
    use: Use,
    who: Caller,
    query: Annotated[SessionsPage, Query()],
) -> Response:
    sessions, following = await use.sessions.list(who, query.query())
    return page([shown(use, session) for session in sessions], following)


@router.get("/{session_id}", summary="Get a session")
async def get(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(shown(use, await use.sessions.get(who, session_id)))


@router.patch("/{session_id}", summary="Rename a session or change its model")
async def update(use: Use, who: Caller, session_id: SessionPath, body: ShortUpdate) -> Response:
    changes: dict[str, Any] = {}
    if "title" in body.model_fields_set:
        changes["title"] = body.title or ""
    if body.model is not None:
        changes["model"] = body.model.id
    if body.recovery is not None:
        changes["recovery"] = body.recovery
    return answer(shown(use, await use.sessions.update(who, session_id, **changes)))


@router.delete("/{session_id}", summary="Delete a session with its workspace")
async def delete(use: Use, who: Caller, session_id: SessionPath) -> Response:
    await use.sessions.delete(who, session_id)
    return answer({"id": session_id, "type": "session_deleted"})


@router.get("/{session_id}/messages", summary="Who said and did what, in short")
async def messages(
    use: Use, who: Caller, session_id: SessionPath, query: Annotated[ShortEventsPage, Query()]
) -> Response:
    """`next_after` is the `after` of the next page; null on the last."""
    rows = await use.sessions.events(
        who, session_id, after=query.after, limit=query.limit + 1, types=TYPES
    )
    shown_rows = rows[: query.limit]
    data = [short_message(row.event()) for row in shown_rows]
    following = shown_rows[-1].seq if len(rows) > query.limit else None
    return answer({"data": data, "next_after": following})


@router.post(
    "/{session_id}/message",
    summary="Send a message; the answer is its turn as server-sent events",
    response_class=Response,
)
async def send(
    use: Use,
    who: Caller,
    ids: NewIds,
    session_id: SessionPath,
    body: ShortMessage,
    *,
    last_event_id: LastEventId = None,
) -> Response:
    """The stream ends with the idle event of the turn, also where a tool call waits for an answer.

    The turn goes on if the client leaves. To come back, send the same `id` with `Last-Event-ID`.
    """
    sent = _message(body, EventId(body.id) if body.id else ids.event())
    resume = resume_point(last_event_id, None)
    return await send_and_follow(use, who, session_id, sent, resume)


def _message(body: ShortMessage, event_id: EventId) -> e.UserMessage:
    if body.content is not None and body.prompt is None:
        return message(body.content, event_id, body.mode)
    if body.prompt is not None and body.content is None:
        return text_message(body.prompt, event_id, body.mode)
    raise InvalidRequestError('Give either "prompt" or "content", and not both.')


@router.post("/{session_id}/confirm", summary="Allow or deny the tool call that waits")
async def confirm(
    use: Use, who: Caller, ids: NewIds, session_id: SessionPath, body: ShortConfirm
) -> Response:
    event_id = EventId(body.event_id) if body.event_id else await _only_ask(use, who, session_id)
    confirmation = e.UserToolConfirmation(
        id=ids.event(),
        tool_use_id=event_id,
        result="allow" if body.allow else "deny",
        deny_message=None if body.allow else body.message,
    )
    return _json((await use.sessions.send(who, session_id, [confirmation]))[0])


async def _only_ask(use: Services, who: Principal, session_id: SessionId) -> EventId:
    waiting = [ask.event_id for ask in await use.sessions.asks(who, session_id)]
    if not waiting:
        raise ConflictError("No tool call waits for an answer.")
    if len(waiting) > 1:
        raise InvalidRequestError(
            f"{len(waiting)} tool calls wait. Say which by event_id: {', '.join(waiting)}."
        )
    return waiting[0]


@router.post("/{session_id}/resume", summary="Go on with a turn that was lost or has failed")
async def resume(use: Use, who: Caller, session_id: SessionPath) -> Response:
    return answer(shown(use, await use.sessions.resume(who, session_id)))


@router.post("/{session_id}/interrupt", summary="Stop the turn that is under way")
async def interrupt(use: Use, who: Caller, ids: NewIds, session_id: SessionPath) -> Response:
    sent = e.UserInterrupt(id=ids.event())
    return _json((await use.sessions.send(who, session_id, [sent]))[0])


@router.get("/{session_id}/events", summary="Events as a list, or live as server-sent events")
async def events(
    request: Request,
    use: Use,
    who: Caller,
    session_id: SessionPath,
    query: Annotated[ShortEventsPage, Query()],
) -> Response:
    """`Accept: text/event-stream` follows without end. Else `wait` holds an empty answer back."""
    start = resume_point(request.headers.get("last-event-id"), query.after) or 0
    if "text/event-stream" in request.headers.get("accept", ""):
        await use.sessions.get(who, session_id)
        return EventStream(frames(use, session_id, start, DELTAS))
    rows = await use.sessions.events(who, session_id, after=start, limit=query.limit)
    if not rows and query.wait:
        await _next_row(use, session_id, start, query.wait)
        rows = await use.sessions.events(who, session_id, after=start, limit=query.limit)
    return raw_answer((row.body for row in rows), next_after=rows[-1].seq if rows else start)


async def _next_row(use: Services, session_id: SessionId, after: int, wait: float) -> None:
    """Until there is a row after `after`, `wait` seconds at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait):
            async with contextlib.aclosing(use.log.follow(session_id, after)) as following:
                async for frame in following:
                    if isinstance(frame, Row):
                        return


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
