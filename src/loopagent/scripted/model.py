"""The scripted model's server: a Messages API on a loopback port.

It owns the port and the requests seen lately. What is answered is decided in `reply`, how it is
written in `stream`.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web

from loopagent.scripted import reply, rules, stream
from loopagent.scripted.faults import Faults
from loopagent.scripted.request import Conversation, read
from loopagent.scripted.script import Pause, Refuse, Round, Status

_MAX_BODY_BYTES = 64 * 1024 * 1024
_MAX_SEEN = 200
# Bodies of long sessions are large, and this may run inside a server for weeks.
_MAX_SEEN_BYTES = 8 * 1024 * 1024
# How long stop() lets running streams go on before it ends them.
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
_MODEL = {
    "type": "model",
    "id": "claude-scripted",
    "display_name": "Scripted model",
    "created_at": "2026-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A request as it arrived, for tests."""

    method: str
    path: str
    key: str
    """The key presented, as x-api-key or as a bearer token; empty if none."""
    headers: Mapping[str, str]
    """Header names are in lower case."""
    model: str
    raw: bytes = field(repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """The parsed body; empty if there was none."""
        parsed = json.loads(self.raw) if self.raw else {}
        return parsed if isinstance(parsed, dict) else {}


class ApiError(Exception):
    """An answer in the API's error envelope."""

    def __init__(
        self,
        status: int,
        text: str,
        *,
        kind: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text)
        usual = "api_error" if status >= 500 else "invalid_request_error"
        self.status = status
        self.kind = kind or _ERROR_TYPES.get(status, usual)
        self.retry_after = retry_after


class ScriptedModel:
    """The scripted Messages API on a loopback port."""

    def __init__(
        self, script_file: Path | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._script_file = script_file
        self._host = host
        self._port = port
        self._rules: Sequence[rules.Rule] = ()
        self._runner: web.AppRunner | None = None
        self._seen: deque[SeenRequest] = deque(maxlen=_MAX_SEEN)
        self._faults = Faults()

    @property
    def requests(self) -> Sequence[SeenRequest]:
        """The requests seen lately, oldest first; bounded in number and in bytes."""
        return tuple(self._seen)

    async def start(self) -> str:
        """Bind the port and give the base URL; raises ScriptFileError, or OSError if it is taken."""
        if self._script_file is not None:
            self._rules = await asyncio.to_thread(rules.load, self._script_file)
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_in_envelope])
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count_tokens)
        app.router.add_get("/v1/models", self._models)
        app.router.add_route("HEAD", "/", _hello)
        # A handler that is cancelled when its client goes away does not stream into nothing.
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
        return f"http://{self._host}:{runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port and end running streams; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await self._note(request)
        conversation = read(body, request.headers.get("x-claude-code-session-id", ""))
        streamed = body.get("stream") is True
        due = reply.choose(conversation, self._rules)
        due = self._faults.left(due, conversation, streamed=streamed)
        pauses = [step for step in due.steps if isinstance(step, Pause)]
        await asyncio.sleep(sum(pause.seconds for pause in pauses if pause.before))
        for step in due.steps:
            if isinstance(step, Status):
                raise _scripted_error(step)
            if isinstance(step, Refuse):
                return _hang_up(request)
        if streamed:
            return await _stream(request, due, conversation)
        await asyncio.sleep(sum(pause.seconds for pause in pauses if not pause.before))
        return _json(stream.message(due, conversation))

    async def _count_tokens(self, request: web.Request) -> web.StreamResponse:
        return _json({"input_tokens": read(await self._note(request)).tokens})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        await self._note(request)
        known = _MODEL["id"]
        return _json({"data": [_MODEL], "has_more": False, "first_id": known, "last_id": known})

    async def _note(self, request: web.Request) -> dict[str, Any]:
        """Remember a request and give its body; raises ApiError if it is not acceptable."""
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError as error:
            raise ApiError(400, f"The body is not valid JSON: {error}.") from error
        if not isinstance(body, dict):
            raise ApiError(400, "The body must be a JSON object.")
        seen = SeenRequest(
            method=request.method,
            path=request.path_qs,
            key=_key(request),
            headers={name.lower(): value for name, value in request.headers.items()},
            model=str(body.get("model", "")),
            raw=raw,
        )
        self._seen.append(seen)
        while len(self._seen) > 1 and sum(len(s.raw) for s in self._seen) > _MAX_SEEN_BYTES:
            self._seen.popleft()
        if seen.key == "rejected" or seen.key.startswith("sk-rejected"):
            raise ApiError(401, "invalid x-api-key: this one is rejected by name. Use another key.")
        if "unknown" in seen.model:
            raise ApiError(404, f"model: {seen.model}. Use a name without the word unknown.")
        return body


def _key(request: web.Request) -> str:
    key = request.headers.get("x-api-key", "")
    return key or request.headers.get("authorization", "").removeprefix("Bearer ").strip()


def _scripted_error(step: Status) -> ApiError:
    text = step.message or f"The script answers with status {step.code}. Send another prompt."
    return ApiError(step.code, text, kind=step.kind, retry_after=step.retry_after)


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
    """Close the connection; whatever is returned after this is never written."""
    if request.transport is not None:
        request.transport.close()
    return response or web.Response()


async def _hello(_: web.Request) -> web.StreamResponse:
    return web.Response()


def _json(body: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(body, status=status, headers={"request-id": _request_id()})


def _request_id() -> str:
    return f"req_{uuid4().hex[:24]}"


@web.middleware
async def _in_envelope(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    # aiohttp passes its parameter by this name.
    try:
        return await handler(request)
    except ApiError as error:
        return _envelope(error)
    except web.HTTPException as error:
        text = (
            f"{request.method} {request.path}: {error.reason}. See the list of addresses in docs."
        )
        return _envelope(ApiError(error.status, text))


def _envelope(error: ApiError) -> web.Response:
    told = {"type": error.kind, "message": str(error)}
    body = {"type": "error", "error": told, "request_id": _request_id()}
    response = _json(body, error.status)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(error.retry_after)
    return response
