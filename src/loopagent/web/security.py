"""What every request passes first: host, origin, size and caller; what every answer carries.

Owns the rules that need no route. Who somebody is, `auth` knows; what they may touch, `sessions`.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopagent.config import Settings
from loopagent.domain.ids import new_request_id
from loopagent.errors import LoopError, NotAuthenticatedError
from loopagent.web.errors import answer_to, error_response, wants_page
from loopagent.web.services import Services

log = logging.getLogger(__name__)

BODY_LIMIT = 12_000_000
# How much of a body that is too large is read and thrown away: a client that is still sending
# would otherwise see a broken connection in place of the answer.
_DRAIN_LIMIT = 64_000_000
_TOO_LARGE = f"The body is too large: the limit is {BODY_LIMIT // 1_000_000} MB. Send less at once."
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/favicon.ico"})
_HEALTH_PATHS = frozenset({"/healthz", "/readyz"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_ANSWER_HEADERS = tuple(
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }.items()
)


class Gate:
    """Middleware around the whole app; refuses by the app's own error answers."""

    def __init__(self, app: ASGIApp, services: Callable[[], Services]) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        own_headers = (*_ANSWER_HEADERS, (b"request-id", request_id.encode()))
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *own_headers]
            await send(message)

        try:
            await self._admit(scope, receive, answer)
        except ClientDisconnect:
            log.debug("%s: the client left", request_id)
        except Exception:  # The border of the HTTP side: whatever fails, the client gets an answer.
            log.exception("%s: %s %s failed", request_id, scope["method"], scope["path"])
            if not started:
                message = f"Something went wrong here. The server's log has it under {request_id}."
                await error_response(Request(scope), 500, message)(scope, receive, answer)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is not None:
            await _drain(request.headers, receive)
            await refusal(scope, receive, send)
            return
        if request.method not in _SAFE_METHODS:
            receive = _bounded(receive)
        await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        services = self._services()
        headers = request.headers
        path = request.url.path
        problem = host_problem(headers, services.settings) if path not in _HEALTH_PATHS else None
        if problem:
            return error_response(request, 421 if headers.get("host") else 400, problem)
        problem = origin_problem(request.method, headers)
        if problem:
            return error_response(request, 403, problem, code="cross_origin")
        if _declared_size(headers) > BODY_LIMIT:
            return error_response(request, 413, _TOO_LARGE)
        if path in _OPEN_PATHS or path.startswith("/static/"):
            return None
        try:
            request.state.principal = services.auth.principal_of(
                authorization=headers.get("authorization"),
                x_api_key=headers.get("x-api-key"),
                cookie=headers.get("cookie"),
                client=request.client.host if request.client else "",
            )
        except NotAuthenticatedError as error:
            return _sign_in(request, error)
        except LoopError as error:
            return answer_to(request, error)
        return None


def host_problem(headers: Headers, settings: Settings) -> str | None:
    """Why the request's Host is refused: a page of another name must not reach us (rebinding)."""
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not hosts[0]:
        return "The request must have exactly one Host header."
    name = host_name(hosts[0])
    if name is None:
        return "The Host header cannot be read. Use the server's name or address and its port."
    known = _LOOPBACK_NAMES | {settings.host.lower(), *(h.lower() for h in settings.trusted_hosts)}
    if name in known:
        return None
    # A rebinding attack needs a name, so an address is safe where other machines may come in.
    if settings.is_public and _is_address(name):
        return None
    return (
        f"This server does not answer to the name {name}. If it should, add it to "
        "LOOP_AGENT_TRUSTED_HOSTS and restart."
    )


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, in lower case; None if it can't be read."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 -- reading it raises ValueError if it is no number
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_problem(method: str, headers: Headers) -> str | None:
    """Why a request from a page of another origin is refused; programs send neither header."""
    site = headers.get("sec-fetch-site")
    if method in _SAFE_METHODS:
        foreign = site in {"cross-site", "same-site"}
        followed_a_link = headers.get("sec-fetch-mode") == "navigate"
        return _FOREIGN if foreign and not followed_a_link else None
    if _has_own_credentials(headers):
        return None
    if site is not None:
        return None if site in {"same-origin", "none"} else _FOREIGN
    origin = headers.get("origin")
    if origin is None:
        return None
    same = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return None if same else _FOREIGN


_FOREIGN = "The request comes from a page of another site. Open the dashboard by its own address."


def _has_own_credentials(headers: Headers) -> bool:
    """True for credentials that no browser adds by itself (Basic ones it does)."""
    if "cookie" in headers:
        return False
    bearer = headers.get("authorization", "").lower().startswith("bearer ")
    return bearer or "x-api-key" in headers


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
    while size < _DRAIN_LIMIT:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


def _bounded(receive: Receive) -> Receive:
    """`receive` that refuses a body which grows over the limit, whatever was declared."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise HTTPException(413, _TOO_LARGE)
        return message

    return bounded
