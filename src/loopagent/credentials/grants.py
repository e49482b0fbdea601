"""Grants: throw-away tokens that stand in for the API key, one for each session's process.

A grant is worth something only to this server's proxy and only while it is live: it dies with the
process it was made for, and with the server.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

from loopagent.domain.ids import SessionId
from loopagent.storage import grants
from loopagent.storage.database import Connection, Database

PREFIX = "lag_"


class Grants:
    """Issues and revokes grants. Live ones are in memory; the table keeps their hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: dict[str, SessionId] = {}
        self.on_revoked: Callable[[SessionId], None] | None = None

    async def start(self) -> None:
        """Revoke what an earlier server has left: nobody holds those grants rightly."""
        await self._database.write(grants.revoke)

    async def issue(self, session_id: SessionId) -> str:
        """A new token of the session; an older one of it dies."""
        self._drop(session_id)
        token = PREFIX + secrets.token_urlsafe(32)
        hashed = _hash(token)

        def keep(conn: Connection) -> None:
            grants.revoke(conn, session_id)
            grants.insert_grant(conn, hashed, session_id)

        await self._database.write(keep)
        self._sessions[hashed] = session_id
        return token

    async def revoke(self, session_id: SessionId) -> None:
        """Make the session's grant worthless at once; requests under way are cut."""
        if self._drop(session_id):
            await self._database.write(lambda conn: grants.revoke(conn, session_id))

    def session_of(self, token: str) -> SessionId | None:
        """The session that a token speaks for; None if it is not live."""
        return self._sessions.get(_hash(token))

    def _drop(self, session_id: SessionId) -> bool:
        held = [key for key, session in self._sessions.items() if session == session_id]
        for key in held:
            del self._sessions[key]
        if held and self.on_revoked is not None:
            self.on_revoked(session_id)
        return bool(held)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
