"""Routes: what a person does to the messages that wait."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.errors import NotFoundError
from loopagent.web.pages import partials
from loopagent.web.pages.facts import dock_of
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}/queue")


@router.post("/{event_id}/remove")
async def remove(request: Request, session_id: str, event_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.queue.remove(visit.who, known, EventId(event_id))
    return await _done(visit, session_id)


@router.post("/{event_id}/edit")
async def edit(request: Request, session_id: str, event_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    text = (await read_form(request)).text("text")
    waiting = await visit.services.queue.list(visit.who, known)
    old = next((item.message for item in waiting if item.event_id == event_id), None)
    if old is None:
        raise NotFoundError("This message is not waiting any more: its turn has begun.")
    others = [block for block in old.content if not isinstance(block, e.TextBlock)]
    content = [e.text_block(text), *others]
    await visit.services.queue.edit(visit.who, known, EventId(event_id), content)
    return await _done(visit, session_id)


@router.post("/{event_id}/up")
async def up(request: Request, session_id: str, event_id: str) -> Response:
    """Let a message go one place earlier."""
    visit = Visit(request)
    known = session_id_of(session_id)
    order = [item.event_id for item in await visit.services.queue.list(visit.who, known)]
    place = order.index(EventId(event_id)) if event_id in order else 0
    if place > 0:
        order[place - 1], order[place] = order[place], order[place - 1]
        await visit.services.queue.reorder(visit.who, known, order)
    return await _done(visit, session_id)


@router.post("/{event_id}/{mode}")
async def hurry(request: Request, session_id: str, event_id: str, mode: str) -> Response:
    """steer: the turn under way sees the message. interrupt: that turn ends for it."""
    visit = Visit(request)
    known = session_id_of(session_id)
    if mode == "steer":
        await visit.services.queue.hurry(visit.who, known, EventId(event_id), "steer")
    elif mode == "interrupt":
        await visit.services.queue.hurry(visit.who, known, EventId(event_id), "interrupt")
    else:
        raise NotFoundError("There is no such page.")
    return await _done(visit, session_id)


@router.post("/clear")
async def clear(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    await visit.services.queue.clear(visit.who, session_id_of(session_id))
    return await _done(visit, session_id)


async def _done(visit: Visit, session_id: str) -> Response:
    known = session_id_of(session_id)
    shown = await dock_of(visit.services, visit.who, known)
    return visit.done(f"/sessions/{known}", partials.dock(known, shown))
