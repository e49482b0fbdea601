"""Routes: what helps to write a message: files to name, another model."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from loopagent.domain.ids import SessionId
from loopagent.errors import InvalidRequestError
from loopagent.sessions.context import ContextUse
from loopagent.web.pages.contexts import Shell
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import FRESH, Visit, session_id_of
from loopagent.workspaces.search import find_files

router = APIRouter(prefix="/sessions/{session_id}")

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPage:
    shell: Shell
    session_id: SessionId
    title: str
    use: ContextUse


@router.get("/files")
async def files(request: Request, session_id: str) -> Response:
    """Paths in the session's folder that fit `q`, as a JSON list."""
    visit = Visit(request)
    session = await visit.services.sessions.get(visit.who, session_id_of(session_id))
    query = request.query_params.get("q", "")[:_LONGEST]
    root = visit.services.workspaces.folder(session.id).workspace
    found = await anyio.to_thread.run_sync(find_files, root, query)
    return JSONResponse(found, headers=FRESH)


@router.get("/context")
async def context(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    session = await visit.services.sessions.get(visit.who, session_id_of(session_id))
    use = await visit.services.context.of(visit.who, session.id)
    shell = visit.shell("Context", "session")
    title = session.title or "Untitled"
    page = ContextPage(shell=shell, session_id=session.id, title=title, use=use)
    return visit.page("context.html", page)


@router.post("/model")
async def set_model(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    model = (await read_form(request)).line("model")
    if not model:
        raise InvalidRequestError("Choose a model from the list, or write its name.")
    await visit.services.sessions.update(visit.who, known, model=model)
    return visit.done(f"/sessions/{known}")
