"""Routes: what a person does to a session, by forms that work with and without scripts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.web.pages.forms import Form, event_id_of, read_form
from loopagent.web.pages.questions import answered_input
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")


@router.post("/messages")
async def send(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    content: list[e.Block] = [e.text_block(form.text("text"))]
    mode = form.line("mode")
    loop = {"mode": mode} if mode in {"steer", "interrupt"} else None
    message = e.UserMessage(id=event_id_of(form), content=content, loop=loop)
    await visit.services.sessions.send(visit.who, known, [message])
    return visit.done(f"/sessions/{known}")


@router.post("/interrupt")
async def interrupt(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.sessions.send(visit.who, known, [e.UserInterrupt()])
    return visit.done(f"/sessions/{known}")


@router.post("/tasks/{task_id}/stop")
async def stop_task(request: Request, session_id: str, task_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.tasks.stop(visit.who, known, task_id)
    return visit.done(f"/sessions/{known}")


@router.post("/asks/{event_id}")
async def answer(request: Request, session_id: str, event_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    allowed = form.line("result") == "allow"
    reply = e.UserToolConfirmation(
        id=event_id_of(form),
        tool_use_id=EventId(event_id),
        result="allow" if allowed else "deny",
        deny_message=None if allowed else form.line("message") or None,
        loop=await _answers(visit, session_id, event_id, form) if allowed else None,
    )
    await visit.services.sessions.send(visit.who, known, [reply])
    return visit.done(f"/sessions/{known}")


async def _answers(
    visit: Visit, session_id: str, event_id: str, form: Form
) -> dict[str, object] | None:
    """The changed input of a question's tool; None for an ask that is only allowed."""
    asks = await visit.services.sessions.asks(visit.who, session_id_of(session_id))
    ask = next((ask for ask in asks if ask.event_id == event_id), None)
    if ask is None or ask.tool != "AskUserQuestion":
        return None
    return {"updated_input": answered_input(ask.tool_input, form.fields)}


@router.post("/rename")
async def rename(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    title = (await read_form(request)).line("title")
    session = await visit.services.sessions.get(visit.who, known)
    if title and title != session.title:
        await visit.services.sessions.update(visit.who, known, title=title)
    return visit.done(f"/sessions/{known}")
