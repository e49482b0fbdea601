"""Failures as answers: the wire's envelope for programs, a page for people.

Owns the mapping from exceptions to HTTP answers. Which failures there are, and what they say, is
the business of `loopagent.errors` and of the room that raises them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from loopagent.errors import LimitReachedError, LoopError, UnavailableError

log = logging.getLogger(__name__)

ErrorPage = Callable[[Request, int, str], Response]

_API_PREFIXES = ("/v1/", "/api/")
_API_PATHS = frozenset({"/v1", "/api", "/healthz", "/readyz", "/metrics", "/openapi.json"})
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
# The official clients repeat these by themselves; of the others, 409 too unless told not to.
_RETRYABLE = frozenset({408, 429})


def is_api_path(path: str) -> bool:
    """True for paths that programs use: their errors are always JSON."""
    return path in _API_PATHS or path.startswith(_API_PREFIXES)


def wants_page(request: Request) -> bool:
    """True if a person's browser asks, so that a failure should be a page."""
    accepts_html = "text/html" in request.headers.get("accept", "")
    return accepts_html and not is_api_path(request.url.path)


def error_response(
    request: Request, status: int, message: str, *, kind: str | None = None, code: str | None = None
) -> Response:
    """The answer for a failure: a page if a browser asks for one, else the wire's envelope."""
    page: ErrorPage | None = getattr(request.app.state, "error_page", None)
    if page is not None and wants_page(request):
        return page(request, status, message)
    request_id = getattr(request.state, "request_id", None)
    error: dict[str, Any] = {"type": kind or _type_of(status), "message": message}
    if code:
        error["details"] = {"error_code": code}
    body = orjson.dumps({"type": "error", "error": error, "request_id": request_id})
    return Response(body, status, _headers(status), media_type="application/json")


def _headers(status: int) -> dict[str, str]:
    if 400 <= status < 500 and status not in _RETRYABLE:
        return {"x-should-retry": "false"}
    return {}


def _type_of(status: int) -> str:
    if status in _TYPES:
        return _TYPES[status]
    return "invalid_request_error" if status < 500 else "api_error"


def add_error_handlers(app: FastAPI) -> None:
    """Every failure of a route becomes an answer of one shape."""
    app.add_exception_handler(LoopError, _on_loop_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)


def answer_to(request: Request, error: LoopError) -> Response:
    """The answer that an error of ours asks for."""
    if error.status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message, exc_info=error)
    answer = error_response(
        request, error.status, error.message, kind=error.wire_type, code=error.code
    )
    if isinstance(error, LimitReachedError | UnavailableError):
        answer.headers["retry-after"] = "1"
    return answer


async def _on_loop_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LoopError)
    return answer_to(request, error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is no {request.url.path} here. The API is described at /docs."
    elif error.status_code == 405:
        message = f"{request.method} is not possible for {request.url.path}. See /docs."
    answer = error_response(request, error.status_code, message)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(request, 400, describe(error.errors()))


def describe(problems: Sequence[Any]) -> str:
    """The first problem of a validation in words: which field, and what is wrong with it."""
    first = problems[0]
    kind, message = first["type"], first["msg"]
    # A part in brackets only says which kind of value was looked for.
    parts = [str(part) for part in first["loc"] if not str(part).startswith("(")]
    if kind == "json_invalid":
        reason = first.get("ctx", {}).get("error", "it cannot be read")
        return f"The body is not valid JSON: {reason} (at character {parts[-1]})."
    if parts and parts[0] in {"body", "query", "path", "header"}:
        parts = parts[1:]
    message = message.removeprefix("Value error, ")
    if not parts:
        return "The body must be a JSON object." if kind != "missing" else "The body is missing."
    return f"{'.'.join(parts)}: {message}"
