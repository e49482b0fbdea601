"""Routes: what a person does to a session, by forms that work with and without scripts."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from loopagent.domain import events as e
from loopagent.web.pages.attachments import blocks_of
from loopagent.web.pages.forms import event_id_of, read_form
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")


@router.post("/messages")
async def send(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    form = await read_form(request)
    text = form.text("text")
    content = blocks_of(form.fields.get("attachment", ()))
    if text.strip() or not content:
        content.append(e.text_block(text))
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


@router.post("/rename")
async def rename(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    title = (await read_form(request)).line("title")
    session = await visit.services.sessions.get(visit.who, known)
    if title and title != session.title:
        await visit.services.sessions.update(visit.who, known, title=title)
    return visit.done(f"/sessions/{known}")
