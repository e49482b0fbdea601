"""Routes: signing in and out."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.auth.cookie import COOKIE_NAME
from loopagent.errors import LimitReachedError, LoopError, NotAuthenticatedError
from loopagent.web.pages.contexts import LoginPage
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import Visit

router = APIRouter()


@router.get("/login")
async def login(request: Request) -> Response:
    visit = Visit(request)
    if not visit.services.settings.needs_sign_in:
        return RedirectResponse("/", 303)
    return visit.page("login.html", _login_page(visit, request.query_params.get("next", "/")))


@router.post("/login")
async def sign_in(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    target = safe_target(form.line("next"))
    try:
        value = visit.services.auth.sign_in(form.text("password"), _client(request))
    except (NotAuthenticatedError, LimitReachedError) as error:
        return _refused(visit, target, error)
    answer = RedirectResponse(target, 303)
    # Lax, not strict: a link from elsewhere to a session must not end at the sign-in page.
    answer.set_cookie(
        COOKIE_NAME, value, httponly=True, samesite="lax", secure=visit.is_https, path="/"
    )
    return answer


@router.post("/logout")
async def sign_out(_request: Request) -> Response:
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE_NAME, path="/")
    return answer


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _refused(visit: Visit, target: str, error: LoopError) -> Response:
    context = LoginPage(theme=visit.theme, target=target, problem=error.message)
    return visit.page("login.html", context, error.status)


def _login_page(visit: Visit, target: str) -> LoginPage:
    return LoginPage(theme=visit.theme, target=safe_target(target))


def safe_target(target: str) -> str:
    """A place on this server to go to after signing in; anything else is the home page."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target.isprintable() else "/"
