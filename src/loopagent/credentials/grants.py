"""Grants: a session's throw-away stand-in for the API key.

A live grant is known to this process alone, so a restart kills them all. The table keeps hashes,
as a record of when each was given and taken back.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection

from loopagent.domain.ids import SessionId
from loopagent.storage import grants
from loopagent.storage.database import Database

PREFIX = "lag_"
# What the agent program itself has run there, if the agent has the tool.
_SERVER_TOOLS = frozenset({"web_search"})


class Grants:
    """The live grants, at most one per session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: dict[str, SessionId] = {}
        self._hashes: dict[SessionId, str] = {}
        self._server_tools: dict[SessionId, Collection[str]] = {}
        self._listeners: list[Callable[[SessionId], None]] = []

    async def issue(self, session_id: SessionId, tools: Collection[str] = ()) -> str:
        """A new token for a session; the last one is dead from now on.

        tools: those of the agent, by the wire's names. Some of them run at the API's side.
        """
        token = PREFIX + secrets.token_urlsafe(32)
        token_hash = _hash(token)
        self._drop(session_id)
        self._sessions[token_hash] = session_id
        self._hashes[session_id] = token_hash
        self._server_tools[session_id] = _SERVER_TOOLS.intersection(tools)
        await self._database.write(lambda conn: grants.replace(conn, session_id, token_hash))
        return token

    async def revoke(self, session_id: SessionId) -> None:
        """Kill a session's grant and cut the answers that are under way with it."""
        if self._drop(session_id):
            await self._database.write(lambda conn: grants.revoke(conn, session_id))

    def session_of(self, token: str) -> SessionId | None:
        """The session that a live token belongs to."""
        return self._sessions.get(_hash(token))

    def server_tools(self, session_id: SessionId) -> Collection[str]:
        """The tools that a session may have run at the API's side."""
        return self._server_tools.get(session_id, ())

    def on_revoked(self, listener: Callable[[SessionId], None]) -> None:
        """Call `listener` whenever a grant dies."""
        self._listeners.append(listener)

    def _drop(self, session_id: SessionId) -> bool:
        token_hash = self._hashes.pop(session_id, None)
        if token_hash is None:
            return False
        del self._sessions[token_hash]
        self._server_tools.pop(session_id, None)
        for listener in self._listeners:
            listener(session_id)
        return True


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
