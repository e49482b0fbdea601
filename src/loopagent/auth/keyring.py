"""The live tokens and sign-ins, read from the database at most once a second.

So a wrong token costs a hash and a look into a table in memory, however many come. What another
process changes counts here a second later at most; what is changed here counts at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import anyio

from loopagent.domain.events import now
from loopagent.domain.ids import LOCAL_USER
from loopagent.errors import StorageError
from loopagent.storage import sign_ins, tokens, users
from loopagent.storage.database import Connection, Database
from loopagent.storage.sign_ins import SignIn
from loopagent.storage.tokens import Token

T = TypeVar("T")

TOKEN_PREFIX = "lat_"  # noqa: S105  what every token of ours begins with

_FRESH_SECONDS = 1.0
# `last used` is good to a minute, so that a busy program doesn't write with every request.
_NOTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What opens the server; `tokens` and `sign_ins` by their hashes."""

    password_hash: str | None
    tokens: Mapping[str, Token]
    sign_ins: Mapping[str, SignIn]


class Keyring:
    """The keys of a database; `timer` gives seconds."""

    def __init__(self, database: Database, timer: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._timer = timer
        self._lock = anyio.Lock()
        self._keys = Keys(password_hash=None, tokens={}, sign_ins={})
        self._stale_at = float("-inf")
        self._used: dict[str, datetime] = {}
        self._noted_at = timer()
        self._held: dict[str, set[Callable[[], None]]] = {}

    @property
    def latest(self) -> Keys:
        """The keys as they were read last."""
        return self._keys

    async def current(self) -> Keys:
        """The keys, not older than a second; raises StorageError."""
        if self._timer() >= self._stale_at:
            async with self._lock:
                if self._timer() >= self._stale_at:
                    await self._read()
        return self._keys

    async def change(self, fn: Callable[[Connection], T]) -> T:
        """Write something that changes the keys; all who ask from now on get the new ones."""
        async with self._lock:
            result = await self._database.write(fn)
            await self._read()
        return result

    def note_use(self, token_hash: str) -> None:
        """A key was used: its row will say so within a minute or with the next request."""
        self._used[token_hash] = now()

    @contextlib.contextmanager
    def held(self, key_id: str, on_lost: Callable[[], None]) -> Iterator[None]:
        """Call `on_lost` if the token or sign-in of this id ends within the block."""
        self._held.setdefault(key_id, set()).add(on_lost)
        try:
            yield
        finally:
            rest = self._held.get(key_id, set())
            rest.discard(on_lost)
            if not rest:
                self._held.pop(key_id, None)

    async def _read(self) -> None:
        if self._used and self._timer() - self._noted_at >= _NOTE_SECONDS:
            await self._note()
        self._keys = await self._database.read(_load)
        live = {token.id for token in self._keys.tokens.values()}
        live_here = {sign_in.id for sign_in in self._keys.sign_ins.values()}
        for key_id in self._held.keys() - live - live_here:
            for on_lost in self._held.pop(key_id):
                on_lost()
        self._stale_at = self._timer() + _FRESH_SECONDS

    async def _note(self) -> None:
        used, self._used = self._used, {}
        self._noted_at = self._timer()

        def touch(conn: Connection) -> None:
            of_tokens = {key: at for key, at in used.items() if key in self._keys.tokens}
            tokens.touch(conn, of_tokens)
            sign_ins.touch(conn, {key: at for key, at in used.items() if key not in of_tokens})

        # A disk that is full must not lock anybody out.
        with contextlib.suppress(StorageError):
            await self._database.write(touch)


def new_secret() -> str:
    """A random text that nobody can guess."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str, pepper: str = "") -> str:
    """What is kept of a secret; the same secret with another pepper is another one."""
    return hashlib.sha256(f"{pepper}{secret}".encode("utf-8", "surrogatepass")).hexdigest()


def _load(conn: Connection) -> Keys:
    return Keys(
        password_hash=users.password_hash(conn, LOCAL_USER),
        tokens=tokens.live(conn),
        sign_ins=sign_ins.live(conn),
    )
