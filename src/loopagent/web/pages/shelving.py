"""Routes: where a session stands in the list: pinned, archived, in the trash."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.domain.ids import SessionId
from loopagent.errors import NotFoundError
from loopagent.sessions.shelf import TRASH_DAYS
from loopagent.web.pages import partials
from loopagent.web.pages.contexts import DeletePage
from loopagent.web.pages.drawing import part_html
from loopagent.web.pages.visit import Visit, session_id_of

router = APIRouter(prefix="/sessions/{session_id}")


@router.post("/pin")
async def pin(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    await visit.services.shelf.pin(visit.who, session_id_of(session_id), pinned=True)
    return visit.done("/")


@router.post("/unpin")
async def unpin(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    await visit.services.shelf.pin(visit.who, session_id_of(session_id), pinned=False)
    return visit.done("/")


@router.post("/archive")
async def archive(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    session = await visit.services.sessions.archive(visit.who, known)
    return _gone(visit, known, "archived", session.title)


@router.post("/unarchive")
async def unarchive(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.shelf.unarchive(visit.who, known)
    return visit.done(f"/sessions/{known}")


@router.post("/trash")
async def trash(request: Request, session_id: str) -> Response:
    """Delete, with a way back for some days."""
    visit = Visit(request)
    known = session_id_of(session_id)
    try:
        session = await visit.services.sessions.get(visit.who, known)
    except NotFoundError:
        # A second click, or somebody else was faster: it is gone, as was asked.
        return visit.leave("/")
    await visit.services.shelf.trash(visit.who, known)
    return _gone(visit, known, "trash", session.title)


@router.post("/restore")
async def restore(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    known = session_id_of(session_id)
    await visit.services.shelf.restore(visit.who, known)
    return visit.done("/")


@router.get("/delete")
async def confirm_delete(request: Request, session_id: str) -> Response:
    """The question before a session in the trash is erased for good."""
    visit = Visit(request)
    known = session_id_of(session_id)
    row = (await visit.listings.roll(visit.who)).row(known)
    if row is None:
        raise NotFoundError("There is no such session. It may have been erased.")
    context = DeletePage(
        shell=visit.shell("Delete a session"),
        id=known,
        title=row.title,
        folder=str(visit.services.workspaces.folder(known).workspace),
        is_trashed=row.state == "trash",
        is_busy=row.state in {"working", "needs"},
        days=TRASH_DAYS,
    )
    return visit.page("delete.html", context)


@router.post("/delete")
async def delete(request: Request, session_id: str) -> Response:
    """Erase a session that is in the trash."""
    visit = Visit(request)
    await visit.services.shelf.erase(visit.who, session_id_of(session_id))
    return visit.leave("/?state=trash")


def _gone(visit: Visit, session_id: SessionId, state: str, title: str | None) -> Response:
    """Something left the list: a note with the way back, here or on the list."""
    if not visit.is_fragment:
        return RedirectResponse(f"/?undo={session_id}", 303)
    note = part_html("_ui.html", "undo_toast", session_id, state, title or "Untitled")
    return visit.fragment(partials.partial("#toasts", "beforeend", note))
