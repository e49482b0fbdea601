"""What every request passes first: host, origin, size and caller; what every answer carries.

Owns the rules that need no route. Who somebody is, `auth` knows; what they may touch, `sessions`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from urllib.parse import quote

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopagent.auth.principal import ADMIN, READ, WRITE, Principal
from loopagent.domain.ids import new_request_id
from loopagent.errors import LimitReachedError, LoopError, NotAuthenticatedError
from loopagent.web.errors import answer_to, error_response, wants_page
from loopagent.web.forwarding import believe
from loopagent.web.origins import SAFE_METHODS, host_problem, origin_problem
from loopagent.web.rate import Rate
from loopagent.web.services import Services

log = logging.getLogger(__name__)

BODY_LIMIT = 12_000_000
# A body may take half a minute, and longer if it is big: 20 kB a second are enough.
_BODY_SECONDS = 30.0
_BODY_PACE = 20_000
# How much of a body that is too large is read and thrown away: a client that is still sending
# would otherwise see a broken connection in place of the answer.
_DRAIN_LIMIT = 64_000_000
_TOO_LARGE = f"The body is too large: the limit is {BODY_LIMIT // 1_000_000} MB. Send less at once."
_TOO_SLOW = "The body came too slowly, so the server stopped waiting. Send it again."
OPEN_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/login",
        "/logout",
        "/set-up",
        "/favicon.ico",
        # Browsers fetch it without cookies, and it says nothing about anybody.
        "/manifest.webmanifest",
    }
)
_HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
# A caller's share, where callers are told apart. A person at a page needs a few a second.
_PER_SECOND = 100
_BURST = 1000
# Who is over a limit waits that long for the answer that says so, as long as not too many do.
PENALTY_SECONDS = 1.0
_MOST_HELD = 500

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_ANSWER_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "x-permitted-cross-domain-policies": "none",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }.items()
)
_NOT_KEPT = (b"cache-control", b"no-store")
_ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")


class _Answer:
    """Sends an answer with the headers that every one carries."""

    def __init__(self, send: Send, request_id: str, *, is_https: bool) -> None:
        self._send = send
        self._headers = [*_ANSWER_HEADERS, (b"request-id", request_id.encode())]
        if is_https:
            self._headers.append(_ONLY_TLS)
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = message.get("headers", ())
            is_kept = any(name == b"cache-control" for name, _ in given)
            message["headers"] = [*given, *self._headers, *(() if is_kept else (_NOT_KEPT,))]
        await self._send(message)


class Gate:
    """Middleware around the whole app; refuses by the app's own error answers."""

    def __init__(self, app: ASGIApp, services: Callable[[], Services]) -> None:
        self._app = app
        self._services = services
        self._rate = Rate(_PER_SECOND, _BURST)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # There is none, and one that comes must first learn to pass here.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        believe(scope, Headers(scope=scope), self._services().settings.trusted_proxies)
        answer = _Answer(send, request_id, is_https=scope["scheme"] == "https")
        try:
            await self._admit(scope, receive, answer)
        except ClientDisconnect:
            log.debug("%s: the client left", request_id)
        except Exception:  # The border of the HTTP side: whatever fails, the client gets an answer.
            log.exception("%s: %s %s failed", request_id, scope["method"], scope["path"])
            if not answer.started:
                message = f"Something went wrong here. The server's log has it under {request_id}."
                await error_response(Request(scope), 500, message)(scope, receive, answer)

    async def _admit(self, scope: Scope, receive: Receive, send: _Answer) -> None:
        request = Request(scope)
        refusal = self._refusal(request) or await self._identify(request)
        if refusal is not None:
            await _drain(request.headers, receive)
            await refusal(scope, receive, send)
            return
        if request.method not in SAFE_METHODS:
            receive = _bounded(receive)
        who: Principal | None = getattr(request.state, "principal", None)
        if who is None or not who.credential:
            await self._app(scope, receive, send)
            return
        # Whoever is signed out, or whose token is revoked, sees nothing more of an open stream.
        with anyio.CancelScope() as cut:
            # The request that signs out has not been answered yet, and shall be.
            keyring = self._services().auth.keyring
            with keyring.held(who.credential, lambda: cut.cancel() if send.started else None):
                await self._app(scope, receive, send)
        if cut.cancelled_caught:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _refusal(self, request: Request) -> Response | None:
        headers = request.headers
        path = request.url.path
        if path not in _HEALTH_PATHS:
            problem = host_problem(headers, self._services().settings)
            if problem:
                return error_response(request, 421 if headers.get("host") else 400, problem)
        problem = origin_problem(request.method, headers)
        if problem:
            return error_response(request, 403, problem, code="cross_origin")
        if _declared_size(headers) > BODY_LIMIT:
            return error_response(request, 413, _TOO_LARGE)
        return None

    async def _identify(self, request: Request) -> Response | None:
        """Put the caller into the request's state; an answer if it may not come in."""
        client = request.client.host if request.client else ""
        try:
            try:
                await self._let_in(request, client)
            except NotAuthenticatedError as error:
                self._rate.take(client)
                return _sign_in(request, error)
        except LimitReachedError as error:
            return await self._held_back(answer_to(request, error))
        except LoopError as error:
            return answer_to(request, error)
        return None

    async def _let_in(self, request: Request, client: str) -> None:
        auth = self._services().auth
        path = request.url.path
        if path in OPEN_PATHS or path.startswith("/static/"):
            if not auth.is_open:
                self._rate.take(client)
            return
        who = await auth.principal_of(
            authorization=request.headers.get("authorization"),
            x_api_key=request.headers.get("x-api-key"),
            cookie=request.headers.get("cookie"),
            client=client,
        )
        if not auth.is_open:
            self._rate.take(who.credential or who.user_id)
        who.need(needed_scope(request.method, path))
        request.state.principal = who

    async def _held_back(self, answer: Response) -> Response:
        """A flood over some connections is only as fast as we answer it."""
        if self._held < _MOST_HELD:
            self._held += 1
            try:
                await anyio.sleep(PENALTY_SECONDS)
            finally:
                self._held -= 1
        else:
            answer.headers["connection"] = "close"
        return answer


def needed_scope(method: str, path: str) -> str:
    """The scope that a request needs; no route can forget to ask for it."""
    if path == "/security" or path.startswith("/security/"):
        return ADMIN
    return READ if method in SAFE_METHODS else WRITE


def _sign_in(request: Request, error: NotAuthenticatedError) -> Response:
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": "/login"})
    if request.method == "GET" and wants_page(request):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(target, safe='/')}", 303)
    answer = answer_to(request, error)
    answer.headers["www-authenticate"] = "Bearer"
    return answer


def _declared_size(headers: Headers) -> int:
    declared = headers.get("content-length", "0")
    return int(declared) if declared.isdigit() else 0


async def _drain(headers: Headers, receive: Receive) -> None:
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return
    size = 0
    with anyio.move_on_after(_BODY_SECONDS):
        while size < _DRAIN_LIMIT:
            message = await receive()
            size += len(message.get("body", b""))
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                return


def _bounded(receive: Receive) -> Receive:
    """`receive` that refuses a body which grows over the limit or comes too slowly."""
    clock = asyncio.get_running_loop().time
    began = clock()
    size = 0
    is_whole = False

    async def bounded() -> Message:
        nonlocal size, is_whole
        if is_whole:
            # Only its end is left to be heard of, and that may take as long as the answer.
            return await receive()
        try:
            async with asyncio.timeout_at(began + _BODY_SECONDS + size / _BODY_PACE):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, _TOO_SLOW, {"connection": "close"}) from None
        size += len(message.get("body", b""))
        is_whole = not message.get("more_body")
        if size > BODY_LIMIT:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return bounded
