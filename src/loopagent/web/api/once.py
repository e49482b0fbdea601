"""A request that comes twice is done once: `Idempotency-Key`, and the official clients' retries.

The first answer is kept and given again. Until it is kept, which a crash may prevent, a second try
runs the request again, and ids that derive from the key's seed make what it makes the same. So a
stream isn't kept at all: the second try sends the same message id, which joins the turn.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import anyio
from fastapi import Depends, Request
from starlette.responses import Response

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.events import now
from loopagent.domain.ids import (
    EventId,
    SessionId,
    event_id_from,
    new_event_id,
    session_id_from,
)
from loopagent.errors import ConflictError, InvalidRequestError, KeyReusedError, LoopError
from loopagent.storage import idempotency
from loopagent.storage.database import Connection, Database
from loopagent.web.api.input import UserEventIn, UserMessageIn
from loopagent.web.sse import EventStream

log = logging.getLogger(__name__)

_CHANGING = frozenset({"POST", "PATCH", "DELETE"})
_KEPT_FOR = timedelta(days=1)
_RETRIED_WITHIN = timedelta(minutes=10)
_MOST_ROWS = 50_000
_MOST_BYTES = 1_000_000  # of an answer; a larger one is made again
_PURGE_EVERY = 600.0
_WAIT = 30.0

Handle = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of what a request makes: the same ones when it is tried again."""

    seed: str | None

    def session(self) -> SessionId | None:
        return session_id_from(self.seed) if self.seed else None

    def event(self, place: int = 0) -> EventId:
        return event_id_from(self.seed, place) if self.seed else new_event_id()

    def events(self, bodies: Sequence[UserEventIn]) -> list[e.UserEvent]:
        """The events of these bodies; an id that the client has chosen stays."""
        return [body.event(self.event(place)) for place, body in enumerate(bodies)]

    def messages(self, bodies: Sequence[UserMessageIn]) -> list[e.UserMessage]:
        """The same for messages alone."""
        return [body.event(self.event(place)) for place, body in enumerate(bodies)]


async def _ids_of(request: Request) -> Ids:
    return Ids(getattr(request.state, "seed", None))


NewIds = Annotated[Ids, Depends(_ids_of)]


@dataclass(frozen=True, slots=True)
class _Key:
    """What names a request among its owner's. first: surely no repetition of another one."""

    text: str
    request_hash: str
    lives: timedelta
    first: bool = False


class Once:
    """Requests that are under way in this process, and the answers that are kept."""

    def __init__(self, database: Callable[[], Database]) -> None:
        self._database = database
        self._under_way: dict[tuple[str, str], anyio.Event] = {}
        self._purged_at = 0.0

    async def answer(self, request: Request, handle: Handle) -> Response:
        """The request's answer, from its first try if it has had one.

        Raises KeyReusedError if the key belongs to another request, ConflictError if the first try
        takes too long.
        """
        key = await _key_of(request)
        if key is None:
            return await handle(request)
        who: Principal = request.state.principal
        place = (str(who.user_id), key.text)
        if key.first and place in self._under_way:
            return await handle(request)  # two equal ones at once: neither repeats the other
        await self._wait_for(place)
        done = self._under_way[place] = anyio.Event()
        try:
            return await self._answered(request, handle, who, key)
        finally:
            del self._under_way[place]
            done.set()

    async def _wait_for(self, place: tuple[str, str]) -> None:
        with anyio.move_on_after(_WAIT):
            while (other := self._under_way.get(place)) is not None:
                await other.wait()
        if place in self._under_way:
            raise ConflictError(
                "The first request with this Idempotency-Key is still under way. Try again later."
            )

    async def _answered(
        self, request: Request, handle: Handle, who: Principal, key: _Key
    ) -> Response:
        owner, seed = who.user_id, secrets.token_urlsafe(16)
        lives = timedelta(0) if key.first else key.lives
        await self._purge()
        known = await self._database().write(
            lambda conn: idempotency.claim(
                conn, owner, key.text, key.request_hash, seed, forgotten_before=now() - lives
            )
        )
        if known.request_hash != key.request_hash:
            raise KeyReusedError(
                "This Idempotency-Key was used for another request. Use a new key for a new one."
            )
        if known.status:
            headers = {"idempotent-replayed": "true"}
            return Response(known.text, known.status, headers, media_type="application/json")
        request.state.seed = known.text
        try:
            response = await handle(request)
        except Exception as error:
            # Refused is as if never tried. Where the database failed the effect may be there all
            # the same: the next try makes the same ids, and finds it.
            if not isinstance(error, LoopError) or error.status < 500:
                await self._note(lambda conn: idempotency.forget(conn, owner, key.text))
            raise
        body = bytes(response.body)
        if not isinstance(response, EventStream) and len(body) <= _MOST_BYTES:
            await self._note(
                lambda conn: idempotency.keep(
                    conn, owner, key.text, response.status_code, body.decode()
                )
            )
        return response

    async def _note(self, change: Callable[[Connection], None]) -> None:
        """Without it the next try runs again with the same ids, which is no reason to fail."""
        try:
            await self._database().write(change)
        except LoopError as error:
            log.warning("An answer could not be kept: %s", error.message)

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at < _PURGE_EVERY and self._purged_at:
            return
        self._purged_at = time.monotonic()
        oldest = now() - _KEPT_FOR
        await self._note(lambda conn: idempotency.purge(conn, oldest, _MOST_ROWS))


async def _key_of(request: Request) -> _Key | None:
    """The request's key: its own, or for the official clients one made of what it says."""
    if request.method not in _CHANGING:
        return None
    own = request.headers.get("idempotency-key")
    tries = request.headers.get("x-stainless-retry-count", "")
    if own is None and not tries.isdecimal():
        return None
    if own is not None and not (0 < len(own) <= 255 and own.isascii() and own.isprintable()):
        raise InvalidRequestError("Idempotency-Key must be 1 to 255 printable ASCII characters.")
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    request_hash = hashlib.sha256(said + await request.body()).hexdigest()
    if own is not None:
        return _Key(f"key {own}", request_hash, _KEPT_FOR)
    # These clients send no key: who repeats what is told from the request alone.
    client = request.client.host if request.client else ""
    sender = f"{client} {request.headers.get('user-agent', '')}"
    text = hashlib.sha256(f"{sender} {request_hash}".encode()).hexdigest()
    return _Key(f"retry {text}", request_hash, _RETRIED_WITHIN, first=int(tries) == 0)
