"""Routes: the first set-up, signing in and out."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.auth.cookie import COOKIE_NAME, COOKIE_SECONDS
from loopagent.auth.password import SHORTEST
from loopagent.errors import InvalidRequestError, LoopError, StorageError
from loopagent.web.pages.access import LoginPage, SetUpPage
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import Visit

router = APIRouter()


@router.get("/login")
async def login(request: Request) -> Response:
    visit = Visit(request)
    await visit.services.auth.keyring.current()
    if visit.services.auth.is_open:
        return RedirectResponse("/", 303)
    return _login(visit, safe_target(request.query_params.get("next", "/")))


@router.post("/login")
async def sign_in(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    target = safe_target(form.line("next"))
    try:
        value = await visit.services.auth.sign_in(
            form.text("password"), _client(request), _browser(request)
        )
    except LoopError as error:
        return _login(visit, target, _expected(error))
    # A server that is open asks nobody, and needs no cookie.
    return _signed_in(visit, value, target) if value else RedirectResponse(target, 303)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    await Visit(request).services.auth.sign_out(request.headers.get("cookie"))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE_NAME, path="/")
    # What the browser kept of the pages goes, too.
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


@router.get("/set-up")
async def set_up_page(request: Request) -> Response:
    visit = Visit(request)
    link = request.query_params.get("link", "")
    try:
        await visit.services.auth.check_set_up_link(link, _client(request))
    except LoopError as error:
        return _set_up(visit, "", _expected(error))
    return _set_up(visit, link)


@router.post("/set-up")
async def set_up(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    link, password = form.line("link"), form.text("password")
    try:
        if password != form.text("again"):
            raise InvalidRequestError("The two passwords differ. Write the same one twice.")
        value = await visit.services.auth.set_up(
            link, password, _client(request), _browser(request)
        )
    except InvalidRequestError as error:
        return _set_up(visit, link, error)
    except LoopError as error:
        return _set_up(visit, "", _expected(error))
    return _signed_in(visit, value, "/")


def _signed_in(visit: Visit, value: str, target: str) -> Response:
    answer = RedirectResponse(target, 303)
    # Lax, not strict: a link from elsewhere to a session must not end at the sign-in page.
    answer.set_cookie(
        COOKIE_NAME,
        value,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=visit.is_https,
        path="/",
    )
    return answer


def _login(visit: Visit, target: str, problem: LoopError | None = None) -> Response:
    context = LoginPage(
        theme=visit.theme,
        target=target,
        is_set_up=visit.services.auth.has_password,
        problem=problem.message if problem else "",
    )
    return visit.page("login.html", context, problem.status if problem else 200)


def _set_up(visit: Visit, link: str, problem: LoopError | None = None) -> Response:
    context = SetUpPage(
        theme=visit.theme,
        link=link,
        shortest=SHORTEST,
        problem=problem.message if problem else "",
    )
    return visit.page("set_up.html", context, problem.status if problem else 200)


def _expected(error: LoopError) -> LoopError:
    """A failure that the form shows; the others are raised."""
    if isinstance(error, StorageError):
        raise error
    return error


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _browser(request: Request) -> str:
    return request.headers.get("user-agent", "")


def safe_target(target: str) -> str:
    """A place on this server to go to after signing in; anything else is the home page."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and target.isprintable() else "/"
