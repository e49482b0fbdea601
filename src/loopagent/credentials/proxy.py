"""The credential proxy: a grant comes in, the real key goes out, usage is read in between.

It listens on loopback, and on a socket per session where agents have no network. An answer is passed on chunk by chunk as it comes; a cut one is cut
on the other side, too, so that the agent program sees what happened.
"""

from __future__ import annotations

import io
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import anyio
from aiohttp import web

from loopagent.credentials.budget import Budgets
from loopagent.credentials.grants import Grants
from loopagent.credentials.ledger import Call, Ledger
from loopagent.credentials.limits import LIMITED
from loopagent.credentials.request import (
    COUNT_TOKENS,
    PATHS,
    RefusedError,
    encode,
    read_body,
    returned_headers,
    sent_headers,
    token_of,
)
from loopagent.credentials.sockets import MAX_HEADER, Sockets, serving
from loopagent.credentials.upstream import KeyState, Upstream
from loopagent.credentials.usage import UsageMeter
from loopagent.domain.ids import SessionId

__all__ = ["CredentialProxy", "KeyState", "Upstream"]

log = logging.getLogger(__name__)

# No limit for the whole: a long answer is fine as long as something comes.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=600)
_MAX_CONNECTIONS = 1000
# Shorter than servers keep one: a request on a connection just closed would fail.
_KEEP_ALIVE_SECONDS = 50
_BODY_SECONDS = 60
_NO_AUTO_HEADERS = ("Accept", "Accept-Encoding", "User-Agent")


class CredentialProxy:
    """The proxy on its own loopback port.

    budgets, ledger: who admits a request, and where its cost is noted.
    on_rejected: called when the real key is missing or was refused.
    on_limited: called with the headers of an answer that refuses a request for a limit.
    """

    def __init__(
        self,
        grants: Grants,
        upstream: Upstream,
        *,
        budgets: Budgets,
        ledger: Ledger,
        on_rejected: Callable[[SessionId], None] | None = None,
        on_limited: Callable[[SessionId, Mapping[str, str]], None] | None = None,
    ) -> None:
        self._grants = grants
        self._upstream = upstream
        self._budgets = budgets
        self._ledger = ledger
        self._on_rejected = on_rejected
        self._on_limited = on_limited
        self._live: defaultdict[SessionId, set[anyio.CancelScope]] = defaultdict(set)
        self._client: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self.sockets = Sockets(self._answer)
        grants.on_revoked(self._cut)

    async def start(self) -> str:
        """Listen, and give the base URL for agents; raises OSError."""
        self._client = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            connector=aiohttp.TCPConnector(
                limit=_MAX_CONNECTIONS, keepalive_timeout=_KEEP_ALIVE_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_NO_AUTO_HEADERS,
            trust_env=False,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
        )
        self._runner = await serving(self._answer)
        try:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        except OSError:
            await self.stop()
            raise
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Cut what is under way and close the port; may be called twice."""
        for session_id in list(self._live):
            self._cut(session_id)
        await self.sockets.close_all()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _cut(self, session_id: SessionId) -> None:
        for scope in list(self._live.get(session_id, ())):
            scope.cancel()

    async def _answer(
        self, request: web.BaseRequest, owner: SessionId | None = None
    ) -> web.StreamResponse:
        """Answer a request; owner: the session whose own socket it came by."""
        path, _, query = request.raw_path.partition("?")
        try:
            if request.method == "HEAD" and path == "/":
                return web.Response()
            if request.method != "POST" or path not in PATHS:
                raise RefusedError(
                    404, "not_found_error", f"{request.method} {path} is not open to agents."
                )
            session_id = self._session_of(request)
            if owner not in {None, session_id}:
                raise _no_grant()
            return await self._metered(request, session_id, path, query)
        except RefusedError as refusal:
            return refusal.response()

    def _session_of(self, request: web.BaseRequest) -> SessionId:
        token = token_of(request.headers)
        session_id = self._grants.session_of(token) if token else None
        if session_id is None:
            raise _no_grant()
        return session_id

    async def _metered(
        self, request: web.BaseRequest, session_id: SessionId, path: str, query: str
    ) -> web.StreamResponse:
        """Answer within the life of the session's grant."""
        passing = _Passing(request)
        live = self._live[session_id]
        with anyio.CancelScope() as scope:
            live.add(scope)
            try:
                await self._forward(passing, session_id, path, query)
            finally:
                live.discard(scope)
                if not live:
                    self._live.pop(session_id, None)
                passing.settle(self._ledger)
        if scope.cancelled_caught and passing.response is None:
            raise _no_grant()
        return passing.ended(cut=scope.cancelled_caught)

    async def _forward(
        self, passing: _Passing, session_id: SessionId, path: str, query: str
    ) -> None:
        upstream = self._upstream
        with anyio.move_on_after(_BODY_SECONDS) as scope:
            body = await read_body(passing.request, self._grants.server_tools(session_id))
        if scope.cancelled_caught:
            raise RefusedError(408, "timeout_error", "The request did not arrive. Send it again.")
        model = str(body.get("model", ""))
        if not upstream.api_key:
            self._rejected(session_id)
            raise RefusedError(
                401,
                "authentication_error",
                "The server has no key for the model's API. Set ANTHROPIC_API_KEY and restart it.",
                retry=False,
            )
        if upstream.models is not None and model not in upstream.models:
            raise RefusedError(
                404,
                "not_found_error",
                f"model: {model} is not among those allowed here. Choose another one.",
            )
        if path != COUNT_TOKENS:
            # Not what the request says of its length: it need not say, and may lie.
            passing.call = await self._budgets.admit(session_id, body, len(encode(body)))
        assert self._client is not None
        headers = sent_headers(passing.request.headers)
        betas = ",".join(passing.request.headers.getall("anthropic-beta", []))
        headers.update(upstream.credentials(betas))
        # The meter must be able to read the answer.
        headers["accept-encoding"] = "identity"
        try:
            async with self._client.post(
                upstream.url(path, query),
                # Sent in pieces: one write of a large body would hold up all other streams.
                data=io.BytesIO(encode(body)),
                headers=headers,
                allow_redirects=False,
            ) as answer:
                if answer.status == 401:
                    self._rejected(session_id)
                if answer.status in LIMITED and self._on_limited is not None:
                    self._on_limited(session_id, answer.headers)
                await passing.run(answer, upstream.place, self._ledger)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if passing.response is None:
                raise _unreachable(upstream.place, error) from error
            passing.is_broken = True
            log.debug("%s: the answer was cut: %r", session_id, error)

    def _rejected(self, session_id: SessionId) -> None:
        if self._on_rejected is not None:
            self._on_rejected(session_id)


class _Passing:
    """One answer on its way back."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.request = request
        self.call: Call | None = None
        self.response: web.StreamResponse | None = None
        self.meter: UsageMeter | None = None
        self.is_broken = False

    async def run(self, answer: aiohttp.ClientResponse, place: str, ledger: Ledger) -> None:
        """Pass the answer on, chunk by chunk, and read it only then."""
        if 300 <= answer.status < 400:
            raise RefusedError(
                502, "api_error", f"{place} answers with a redirect. Check ANTHROPIC_BASE_URL."
            )
        headers = returned_headers(answer.headers)
        if answer.status == 401:
            # The key stays wrong however often it is tried.
            headers["x-should-retry"] = "false"
        response = web.StreamResponse(status=answer.status, headers=headers)
        self.meter = meter = UsageMeter(answer.headers.get("content-type", ""))
        await response.prepare(self.request)
        self.response = response
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
            began = meter.has_begun
            meter.feed(chunk)
            if meter.is_whole:
                self.settle(ledger)  # now, for the turn ends as soon as the agent program reads it
            elif meter.has_begun and not began and self.call is not None:
                ledger.note(self.call, meter.model, meter.usage)

    def settle(self, ledger: Ledger) -> None:
        """The answer has ended, however it did: note what is known of its cost."""
        meter, call = self.meter, self.call
        if call is None:
            return
        if meter is None:
            ledger.end(call, None, None, whole=False)
            return
        meter.finish()
        ledger.end(call, meter.model, meter.usage, whole=meter.is_whole)

    def ended(self, *, cut: bool) -> web.StreamResponse:
        """What the server must return: an answer that was cut must not look finished."""
        assert self.response is not None
        if (cut or self.is_broken) and self.request.transport is not None:
            self.request.transport.close()
        return self.response


def _no_grant() -> RefusedError:
    return RefusedError(
        401,
        "authentication_error",
        "This token is not valid, or not any more. Send a message to its session to go on.",
        retry=False,
    )


def _unreachable(place: str, error: Exception) -> RefusedError:
    reason: Any = "it took too long" if isinstance(error, TimeoutError) else error
    return RefusedError(
        502,
        "api_error",
        f"The model's API at {place} can't be reached: {reason or type(error).__name__}. "
        "Check the network and ANTHROPIC_BASE_URL.",
    )
