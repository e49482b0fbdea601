"""The credential proxy: a grant comes in, the real key goes out, the reply streams through.

It serves the agents' CLIs on loopback. Only the two calls that a conversation needs are passed
on: with the key one could otherwise read the organisation's files or start unmetered batches.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from loopagent.credentials.grants import Grants
from loopagent.credentials.upstream import Upstream
from loopagent.credentials.usage import UsageMeter
from loopagent.domain.ids import SessionId
from loopagent.domain.session import TokenUsage

__all__ = ["CredentialProxy", "Upstream"]

log = logging.getLogger(__name__)

MAX_BODY = 32 << 20
_PASSED = {"/v1/messages", "/v1/messages/count_tokens"}
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_read=600)
# Hop by hop, ours to set, or credentials of any kind.
_NOT_SENT = {
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
}
_NOT_RETURNED = {"connection", "content-length", "keep-alive", "set-cookie", "transfer-encoding"}

OnUsage = Callable[[SessionId, str, TokenUsage], None]


class CredentialProxy:
    """An HTTP server on loopback for all sessions.

    on_usage: told of the model and tokens of each reply. on_rejected: told when the API refuses
    the server's key.
    """

    def __init__(
        self,
        grants: Grants,
        upstream: Upstream,
        *,
        on_usage: OnUsage | None = None,
        on_rejected: Callable[[SessionId], None] | None = None,
    ) -> None:
        self._grants = grants
        self._upstream = upstream
        self._on_usage = on_usage
        self._on_rejected = on_rejected
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._streams: dict[SessionId, set[web.BaseRequest]] = {}

    async def start(self) -> str:
        """Listen on a free port; the base URL for agents."""
        self._client = aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False)
        server = web.Server(self._serve, access_log=None)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._runner = runner  # type: ignore[assignment]  # both runners clean up alike
        self._grants.on_revoked = self._cut
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Cut what is under way and stop listening."""
        for session_id in list(self._streams):
            self._cut(session_id)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._client is not None:
            await self._client.close()

    def _cut(self, session_id: SessionId) -> None:
        for request in self._streams.get(session_id, ()):
            if request.transport is not None:
                request.transport.abort()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "HEAD" and request.path == "/":
            return web.Response()
        if request.method != "POST" or request.path not in _PASSED:
            return refusal(404, "not_found_error", "This proxy passes on conversations only.")
        session_id = self._grants.session_of(_token(request))
        if session_id is None:
            return refusal(401, "authentication_error", "This grant is not live (any more).")
        if not self._upstream.api_key:
            return refusal(
                401,
                "authentication_error",
                "The server has no API key. Set ANTHROPIC_API_KEY and restart it.",
            )
        raw = await _body(request)
        if raw is None:
            return refusal(413, "request_too_large", "The request is over 32 MiB.")
        body = self._checked(raw)
        if isinstance(body, web.Response):
            return body
        streams = self._streams.setdefault(session_id, set())
        streams.add(request)
        try:
            return await self._pass_on(request, session_id, body)
        finally:
            streams.discard(request)
            if not streams:
                self._streams.pop(session_id, None)

    def _checked(self, raw: bytes) -> bytes | web.Response:
        """The body as it was understood here: what is judged is what is sent."""
        try:
            body = json.loads(raw)
        except ValueError:
            return refusal(400, "invalid_request_error", "The body is not valid JSON.")
        if not isinstance(body, dict):
            return refusal(400, "invalid_request_error", "The body must be a JSON object.")
        model = str(body.get("model", ""))
        models = self._upstream.models
        if models is not None and model not in models:
            return refusal(404, "not_found_error", f"model: {model} is not allowed here.")
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    async def _pass_on(
        self, request: web.BaseRequest, session_id: SessionId, body: bytes
    ) -> web.StreamResponse:
        assert self._client is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _NOT_SENT}
        headers |= self._upstream.headers() | {"accept-encoding": "identity"}
        url = f"{self._upstream.base_url.rstrip('/')}{request.path_qs}"
        try:
            async with self._client.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return await self._stream_back(request, session_id, answer)
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            log.warning("the model's API can't be reached: %s", error)
            return refusal(
                502,
                "api_error",
                f"The model's API at {self._upstream.base_url} can't be reached.",
                retry=True,
            )

    async def _stream_back(
        self, request: web.BaseRequest, session_id: SessionId, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {k: v for k, v in answer.headers.items() if k.lower() not in _NOT_RETURNED}
        if answer.status == 401:
            # The key is the server's: no retry of the CLI will mend it.
            headers["x-should-retry"] = "false"
            if self._on_rejected is not None:
                self._on_rejected(session_id)
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        meter = UsageMeter(answer.content_type)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
                meter.feed(chunk)
        except aiohttp.ClientError:
            # The reply was cut: so must the CLI see it, or it would take it for whole.
            if request.transport is not None:
                request.transport.abort()
            return response
        finally:
            usage = meter.total()
            if usage is not None and self._on_usage is not None:
                self._on_usage(session_id, meter.model, usage)
        await response.write_eof()
        return response


def refusal(status: int, kind: str, message: str, *, retry: bool = False) -> web.Response:
    """An error of ours in the envelope of the Messages API."""
    body: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    headers = {} if retry else {"x-should-retry": "false"}
    return web.json_response(body, status=status, headers=headers)


def _token(request: web.BaseRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.headers.get("x-api-key", "")


async def _body(request: web.BaseRequest) -> bytes | None:
    """The request's body; None if it is too large."""
    pieces: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            return None
        pieces.append(chunk)
    return b"".join(pieces)
