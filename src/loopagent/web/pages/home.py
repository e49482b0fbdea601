"""Routes: the list of sessions, and the ways to begin one."""

from __future__ import annotations

from collections import OrderedDict

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId, is_session_id, new_event_id
from loopagent.errors import InvalidRequestError
from loopagent.scripted import SUGGESTED_PROMPTS
from loopagent.web.pages.contexts import HomePage, ListFragment, Models, NewPage
from loopagent.web.pages.drawing import page
from loopagent.web.pages.forms import Form, event_id_of, read_form
from loopagent.web.pages.visit import Visit

router = APIRouter()

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


def _models(visit: Visit) -> Models:
    settings = visit.services.settings
    names = dict.fromkeys((settings.model, *settings.models))
    return Models(preset=settings.model, names=list(names))


@router.get("/")
async def home(request: Request) -> Response:
    visit = Visit(request)
    listing = await visit.listings.of(visit.who)
    context = HomePage(
        shell=visit.shell("Sessions", "home"),
        listing=listing,
        models=_models(visit),
        event_id=new_event_id(),
        suggestions=[(prompt, new_event_id()) for prompt in SUGGESTED_PROMPTS],
    )
    return visit.page("home.html", context)


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


@router.get("/list")
async def wide_list(request: Request) -> Response:
    visit = Visit(request)
    listing = await visit.listings.of(visit.who)
    if request.query_params.get("version") == listing.version:
        return visit.fragment("")
    return visit.fragment(page("list.html", ListFragment(listing=listing)))


@router.get("/sidebar")
async def narrow_list(request: Request) -> Response:
    visit = Visit(request)
    here = request.query_params.get("here", "")
    listing = await visit.listings.of(visit.who, SessionId(here) if is_session_id(here) else None)
    if request.query_params.get("version") == listing.version:
        return visit.fragment("")
    return visit.fragment(page("sidebar.html", ListFragment(listing=listing)))


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
        models=_models(visit),
        templates=[(template.name, template.description) for template in templates],
        event_id=new_event_id(),
        text=form.text("text") if form else "",
        title=form.line("title") if form else "",
        model=form.line("model") if form else "",
        template=form.line("template") if form else "",
        problem=problem,
    )
