"""Routes: the list of sessions, and the ways to begin one."""

from __future__ import annotations

import contextlib
from collections import OrderedDict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, is_session_id, new_event_id
from loopagent.errors import InvalidRequestError, NotFoundError
from loopagent.scripted import SUGGESTED_PROMPTS
from loopagent.web.pages.comeback import recovery_of
from loopagent.web.pages.contexts import HomePage, NewPage, Peek, PeekFragment
from loopagent.web.pages.drawing import blocks_html, page
from loopagent.web.pages.facts import newest_part
from loopagent.web.pages.finding import QUERY_LENGTH, found_by
from loopagent.web.pages.forms import Form, event_id_of, read_form
from loopagent.web.pages.listing import PER_PAGE, state_of
from loopagent.web.pages.rows import Row
from loopagent.web.pages.visit import Visit, number_of, session_id_of
from loopagent.web.pages.words import STATES
from loopagent.web.sse import EventStream

router = APIRouter()

PEEKED = 5  # blocks that a peek shows
_REMEMBERED = 1_000


class Beginnings:
    """Which form began which session, so that a form that is sent twice begins one.

    Only a repeated click must be caught, so this need not outlive the server.
    """

    def __init__(self) -> None:
        self._begun: OrderedDict[EventId, tuple[str, SessionId]] = OrderedDict()

    def session_of(self, event_id: EventId, text: str) -> SessionId | None:
        """The session that this very form began."""
        known = self._begun.get(event_id)
        return known[1] if known is not None and known[0] == text else None

    def fresh(self, event_id: EventId) -> EventId:
        """The form's id; another one if a form with other words has used it."""
        return new_event_id() if event_id in self._begun else event_id

    def add(self, event_id: EventId, text: str, session_id: SessionId) -> None:
        self._begun[event_id] = (text, session_id)
        while len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)


_beginnings = Beginnings()


@router.get("/")
async def home(request: Request) -> Response:
    visit = Visit(request)
    asked = request.query_params
    state = asked.get("state", "")
    state = state if state in STATES else ""
    number = max(1, number_of(asked.get("page"), "page", 1))
    query = asked.get("q", "").strip()[:QUERY_LENGTH]
    listing = await visit.listings.of(visit.who, state=state, page=number)
    context = HomePage(
        shell=visit.shell("Sessions", "home", listing),
        listing=listing,
        models=visit.models,
        event_id=new_event_id(),
        suggestions=[(prompt, new_event_id()) for prompt in SUGGESTED_PROMPTS],
        state=state,
        page=number,
        pages=max(1, -(-listing.groups[0].total // PER_PAGE)) if state else 1,
        peek=await _open_peek(visit, asked.get("peek", "")),
        query=query,
        found=await found_by(visit, query) if query else None,
        undo=await _undo(visit, asked.get("undo", "")),
    )
    return visit.page("home.html", context)


async def _undo(visit: Visit, text: str) -> Row | None:
    """The session that has just left the list, if it can come back."""
    roll = await visit.listings.roll(visit.who)
    row = roll.row(SessionId(text)) if is_session_id(text) else None
    return row if row is not None and row.state in {"trash", "archived"} else None


@router.post("/stop")
async def stop_all(request: Request) -> Response:
    visit = Visit(request)
    await visit.services.halt.stop_all(visit.who)
    return visit.leave("/")


@router.post("/resume")
async def resume_all(request: Request) -> Response:
    visit = Visit(request)
    await visit.services.halt.resume_all(visit.who)
    return visit.leave("/")


@router.get("/live")
async def live(request: Request) -> Response:
    """The list as it changes, for every page on which it is seen."""
    visit = Visit(request)
    after = request.headers.get("last-event-id") or request.query_params.get("after", "")
    roll = await visit.listings.roll(visit.who)
    return EventStream(roll.view(request.query_params.get("form", ""), after))


@router.get("/live/asks")
async def live_asks(request: Request) -> Response:
    """What waits for an answer, for a page in the background."""
    visit = Visit(request)
    return EventStream((await visit.listings.roll(visit.who)).view_asks())


@router.get("/sessions/{session_id}/peek")
async def peek(request: Request, session_id: str) -> Response:
    visit = Visit(request)
    shown = await _peek(visit, session_id_of(session_id))
    if not visit.is_fragment:
        return RedirectResponse(f"/?peek={session_id}", 303)
    return visit.fragment(page("peek.html", PeekFragment(peek=shown)))


async def _open_peek(visit: Visit, text: str) -> Peek | None:
    """What the row that is open shows; None if there is no such session."""
    with contextlib.suppress(NotFoundError):
        return await _peek(visit, SessionId(text)) if is_session_id(text) else None
    return None


async def _peek(visit: Visit, known: SessionId) -> Peek:
    """The newest of a session; raises NotFoundError."""
    session = await visit.services.sessions.get(visit.who, known)
    part = await newest_part(visit.services, known)
    return Peek(
        id=known,
        title=session.title or "Untitled",
        state=state_of(session),
        is_pinned=session.pinned_at is not None,
        blocks=blocks_html(known, part.blocks[-PEEKED:]),
        event_id=new_event_id(),
    )


@router.get("/new")
async def new(request: Request) -> Response:
    visit = Visit(request)
    return visit.page("new.html", await _new_page(visit))


@router.post("/sessions")
async def begin(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    text = form.text("text")
    event_id = event_id_of(form)
    known = _beginnings.session_of(event_id, text)
    if known is not None:
        return RedirectResponse(f"/sessions/{known}", 303)
    message = e.UserMessage(id=_beginnings.fresh(event_id), content=[e.text_block(text)])
    try:
        session = await visit.services.sessions.create(
            visit.who,
            agent=None,
            environment_id=None,
            title=form.line("title") or None,
            template=form.line("template") or None,
            model=form.line("model") or None,
            recovery=recovery_of(form),
            messages=[message] if text.strip() else [],
        )
    except InvalidRequestError as error:
        return visit.page("new.html", await _new_page(visit, form, error.message), error.status)
    _beginnings.add(event_id, text, session.id)
    return RedirectResponse(f"/sessions/{session.id}", 303)


async def _new_page(visit: Visit, form: Form | None = None, problem: str = "") -> NewPage:
    templates = visit.services.workspaces.templates()
    return NewPage(
        shell=visit.shell("New session", "new", await visit.listings.of(visit.who)),
        models=visit.models,
        templates=[(template.name, template.description) for template in templates],
        event_id=new_event_id(),
        text=form.text("text") if form else "",
        title=form.line("title") if form else "",
        model=form.line("model") if form else "",
        template=form.line("template") if form else "",
        recovery=form.line("recovery") if form else "",
        problem=problem,
    )
