"""The scripted model's server: a Messages API on a loopback port.

It owns the port, the requests seen lately and the count of faults already shown. What is answered
is decided in `reply`, how it is written in `stream`.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from loopagent.scripted import reply, stream
from loopagent.scripted.request import Conversation, read
from loopagent.scripted.script import Cut, Fault, Pause, Refuse, Round, Status, StreamError

_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_SEEN = 200
# Bodies of long sessions are large and this may run inside a server for weeks.
_MAX_SEEN_BYTES = 8 * 1024 * 1024
_MAX_COUNTED = 1000
_STOP_SECONDS = 0.2
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_MODELS = ("claude-scripted",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A request as it arrived, for tests."""

    method: str
    path: str
    key: str
    """The key presented, as x-api-key or as a bearer token; empty if none."""
    headers: Mapping[str, str]
    model: str
    raw: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The parsed body; empty if there was none."""
        parsed = json.loads(self.raw) if self.raw else {}
        return parsed if isinstance(parsed, dict) else {}


class ScriptedModel:
    """The scripted Messages API on a loopback port."""

    def __init__(
        self, script_file: Path | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._script_file = script_file
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._seen: deque[SeenRequest] = deque(maxlen=_MAX_SEEN)
        self._shown: OrderedDict[tuple[object, ...], int] = OrderedDict()

    @property
    def requests(self) -> Sequence[SeenRequest]:
        """The requests seen lately, oldest first; bounded in number and in bytes."""
        return tuple(self._seen)

    async def start(self) -> str:
        """Bind the port and give the base URL; raises OSError if the port is taken."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_in_envelope])
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        app.router.add_get("/v1/models", self._models)
        app.router.add_route("HEAD", "/", _hello)
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=_STOP_SECONDS, access_log=None
        )
        await runner.setup()
        self._runner = runner
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await self.stop()
            raise
        self._port = runner.addresses[0][1]
        return f"http://{self._host}:{self._port}"

    async def stop(self) -> None:
        """Close the port and end running streams; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        _check(self._seen[-1])
        conversation = read(body, request.headers.get("x-claude-code-session-id", ""))
        due = self._without_spent(reply.choose(conversation), conversation, body)
        for step in due.steps:
            if isinstance(step, Status):
                raise ApiError(step.code, "The script answers with an error.", step.retry_after)
            if isinstance(step, Refuse):
                return _hang_up(request)
        held = sum(s.seconds for s in due.steps if isinstance(s, Pause) and s.before)
        await asyncio.sleep(held)
        if not body.get("stream"):
            return _json(stream.message(due, conversation))
        return await _stream(request, due, conversation)

    def _without_spent(
        self, due: Round, conversation: Conversation, body: Mapping[str, Any]
    ) -> Round:
        """Leave out the faults that were to be shown n times and have been."""
        steps = []
        for number, step in enumerate(due.steps):
            streams_only = isinstance(step, Cut | StreamError)
            if streams_only and not body.get("stream"):
                continue
            if (
                isinstance(step, Fault)
                and step.times
                and self._spent(
                    (
                        conversation.session,
                        conversation.position,
                        conversation.prompt,
                        conversation.round,
                        number,
                    ),
                    step.times,
                )
            ):
                continue
            steps.append(step)
        return replace(due, steps=tuple(steps))

    def _spent(self, key: tuple[object, ...], times: int) -> bool:
        shown = self._shown.get(key, 0)
        self._shown[key] = min(shown + 1, times)
        self._shown.move_to_end(key)
        if len(self._shown) > _MAX_COUNTED:
            self._shown.popitem(last=False)
        return shown >= times

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        _check(self._seen[-1])
        return _json({"input_tokens": read(body).tokens})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        await self._note(request)
        _check(self._seen[-1])
        listed = [
            {
                "type": "model",
                "id": name,
                "display_name": "Scripted model",
                "created_at": "2026-01-01T00:00:00Z",
            }
            for name in _MODELS
        ]
        return _json(
            {"data": listed, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]}
        )

    async def _note(self, request: web.Request) -> dict[str, Any]:
        """Remember a request and give its body, or raise ApiError if that is no JSON object."""
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as error:
            raise ApiError(400, f"The body is not valid JSON: {error}.") from None
        if not isinstance(body, dict):
            raise ApiError(400, "The body must be a JSON object.")
        self._seen.append(
            SeenRequest(
                method=request.method,
                path=request.path_qs,
                key=_key(request),
                headers=dict(request.headers),
                model=str(body.get("model", "")),
                raw=raw,
            )
        )
        while len(self._seen) > 1 and sum(len(s.raw) for s in self._seen) > _MAX_SEEN_BYTES:
            self._seen.popleft()
        return body


class ApiError(Exception):
    """An answer in the API's error envelope."""

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


def _check(seen: SeenRequest) -> None:
    if seen.key == "rejected" or seen.key.startswith("sk-rejected"):
        raise ApiError(401, "This key is rejected, as its name asks for. Use any other key.")
    if "unknown" in seen.model:
        raise ApiError(404, f"model: {seen.model} is not known here. Use any other name.")


def _key(request: web.Request) -> str:
    key = request.headers.get("x-api-key", "")
    return key or request.headers.get("authorization", "").removeprefix("Bearer ").strip()


async def _stream(
    request: web.Request, due: Round, conversation: Conversation
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            "request-id": _request_id(),
        }
    )
    await response.prepare(request)
    try:
        await stream.send(response, stream.plan(due, conversation))
    except stream.StreamCut:
        return _hang_up(request, response)
    except ConnectionError:
        # The client went away; nobody is left to be told.
        return response
    return response


def _hang_up(
    request: web.Request, response: web.StreamResponse | None = None
) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


async def _hello(_: web.Request) -> web.StreamResponse:
    return web.Response()


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"request-id": _request_id()})


def _request_id() -> str:
    return f"req_{uuid4().hex[:24]}"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _in_envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return _envelope(error.status, str(error), error.retry_after)
    except web.HTTPException as error:
        return _envelope(error.status, f"{request.method} {request.path}: {error.reason}.", None)


def _envelope(status: int, text: str, retry_after: int | None) -> web.Response:
    known = "api_error" if status >= 500 else "invalid_request_error"
    error = {"type": _ERROR_TYPES.get(status, known), "message": text}
    response = _json({"type": "error", "error": error, "request_id": _request_id()}, status)
    if retry_after is not None:
        response.headers["retry-after"] = str(retry_after)
    return response
