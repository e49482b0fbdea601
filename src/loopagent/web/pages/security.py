"""Routes: the password, the tokens of programs, the browsers that are signed in."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loopagent.auth.password import SHORTEST
from loopagent.auth.principal import ADMIN, READ, WRITE
from loopagent.errors import InvalidRequestError, LoopError, StorageError
from loopagent.storage.tokens import Token
from loopagent.web.pages.access import SecurityPage, SignInRow, TokenRow, browser_words
from loopagent.web.pages.forms import read_form
from loopagent.web.pages.visit import Visit

router = APIRouter(prefix="/security")


@router.get("")
async def security(request: Request) -> Response:
    return await _page(Visit(request))


@router.post("/password")
async def change_password(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    new = form.text("password")
    try:
        if new != form.text("again"):
            raise InvalidRequestError("The two passwords differ. Write the same one twice.")
        await visit.services.account.change_password(visit.who, form.text("old"), new)
    except LoopError as error:
        return await _refused(visit, error)
    return RedirectResponse("/login", 303)


@router.post("/tokens")
async def create_token(request: Request) -> Response:
    visit = Visit(request)
    form = await read_form(request)
    try:
        _, secret = await visit.services.account.create_token(
            visit.who, form.line("name"), form.line("scope") or READ
        )
    except LoopError as error:
        return await _refused(visit, error)
    return await _page(visit, secret=secret)


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(request: Request, token_id: str) -> Response:
    visit = Visit(request)
    await visit.services.account.revoke_token(visit.who, token_id)
    return RedirectResponse("/security", 303)


@router.post("/sign-ins/{sign_in_id}/end")
async def end_sign_in(request: Request, sign_in_id: str) -> Response:
    visit = Visit(request)
    await visit.services.account.end_sign_in(visit.who, sign_in_id)
    return RedirectResponse("/security", 303)


@router.post("/sign-ins/end")
async def end_all_sign_ins(request: Request) -> Response:
    visit = Visit(request)
    await visit.services.account.end_all_sign_ins(visit.who)
    return RedirectResponse("/login", 303)


async def _refused(visit: Visit, error: LoopError) -> Response:
    if isinstance(error, StorageError):
        raise error
    return await _page(visit, problem=error)


async def _page(visit: Visit, *, secret: str = "", problem: LoopError | None = None) -> Response:
    account, who = visit.services.account, visit.who
    context = SecurityPage(
        shell=visit.shell("Security", "settings", await visit.listings.of(who)),
        password=_password_state(visit),
        shortest=SHORTEST,
        tokens=[_token_row(token) for token in await account.tokens(who)],
        sign_ins=[
            SignInRow(
                id=one.id,
                browser=browser_words(one.browser),
                client=one.client,
                created_at=one.created_at,
                last_used_at=one.last_used_at,
                is_here=one.id == who.credential,
            )
            for one in await account.sign_ins(who)
        ],
        secret=secret,
        problem=problem.message if problem else "",
    )
    return visit.page("security.html", context, problem.status if problem else 200)


def _password_state(visit: Visit) -> str:
    if visit.services.account.settings_password:
        return "settings"
    return "set" if visit.services.auth.keyring.latest.password_hash else "none"


def _token_row(token: Token) -> TokenRow:
    highest = next((scope for scope in (ADMIN, WRITE, READ) if scope in token.scopes), "set-up")
    return TokenRow(
        id=token.id,
        name=token.name,
        scope=highest,
        created_at=token.created_at,
        last_used_at=token.last_used_at,
    )
