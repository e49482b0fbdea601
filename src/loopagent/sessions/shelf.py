"""Verbs for the list of sessions: pin, archive undone, trash and restore, search, what each is doing.

Where a session stands in its owner's list is no event of its log.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.domain.session import Session
from loopagent.errors import NotFoundError
from loopagent.eventlog.log import EventLog
from loopagent.sessions import turns
from loopagent.sessions.aftermath import ending_of
from loopagent.sessions.outcome import Outcome
from loopagent.sessions.runs import Runs
from loopagent.storage import overview, search, sessions
from loopagent.storage.asks import Ask
from loopagent.storage.database import Connection, Database
from loopagent.storage.overview import Overview, Pulse
from loopagent.storage.search import Text
from loopagent.workspaces.workspaces import Workspaces

TRASH_DAYS = 7
_MOST_HITS = 80
_MOST_TITLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a list shows."""

    overviews: list[Overview]
    asks: list[Ask]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """What a search has found: sessions by their titles, and events by their words."""

    titled: list[SessionId]
    texts: list[Text]


class Shelf:
    """All verbs of the list."""

    def __init__(
        self, *, database: Database, log: EventLog, workspaces: Workspaces, runs: Runs
    ) -> None:
        self._database = database
        self._log = log
        self._workspaces = workspaces
        self._runs = runs

    async def look(
        self, who: Principal, only: Collection[SessionId] | None = None, *, limit: int
    ) -> Seen:
        """The caller's sessions with what each is doing, and the asks that wait."""

        def read(conn: Connection) -> Seen:
            return Seen(
                overviews=overview.overviews(conn, who.user_id, only=only, limit=limit),
                asks=overview.open_asks(conn, who.user_id, only),
            )

        return await self._database.read(read)

    async def pulse(self, who: Principal) -> Pulse:
        """Numbers of which one changes whenever one of the caller's sessions does."""
        return await self._database.read(lambda conn: overview.pulse(conn, who.user_id))

    async def search(self, who: Principal, query: str) -> Hits:
        """Sessions and events with all words of `query`, newest first."""

        def read(conn: Connection) -> Hits:
            return Hits(
                titled=search.titled(conn, who.user_id, query, _MOST_TITLES),
                texts=search.find(conn, who.user_id, query, _MOST_HITS),
            )

        return await self._database.read(read)

    async def pin(self, who: Principal, session_id: SessionId, *, pinned: bool) -> None:
        """Keep a session at the top of its group, or don't any more."""
        await self._own(who, session_id)
        at = e.now() if pinned else None
        await self._database.write(lambda conn: sessions.place(conn, session_id, pinned_at=at))
        self._log.ring(session_id)

    async def unarchive(self, who: Principal, session_id: SessionId) -> None:
        """Make an archived session writable again."""
        session = await self._own(who, session_id)
        if session.archived_at is not None:
            back = e.SessionUpdated.model_validate({"archived_at": None})
            await self._log.append(session_id, [back])

    async def trash(self, who: Principal, session_id: SessionId) -> None:
        """End a session and hide it; it can be restored for some days.

        Erases what has been in the trash for longer.
        """
        await self._own(who, session_id)
        await self._runs.end(session_id)
        ending = await ending_of(self._database, self._log, session_id, "interrupted")
        await self._log.append(session_id, ending)
        at = e.now()
        await self._database.write(lambda conn: sessions.place(conn, session_id, trashed_at=at))
        self._log.ring(session_id)
        await self.sweep()

    async def restore(self, who: Principal, session_id: SessionId) -> None:
        """Take a session out of the trash; messages that waited go on."""
        await self._own(who, session_id)

        def put_back(conn: Connection) -> Outcome:
            sessions.place(conn, session_id, trashed_at=None)
            return turns.go_on(self._log, conn, session_id)

        outcome = await self._database.write(put_back)
        self._log.published(session_id, outcome.rows)
        if outcome.prompt is not None:
            self._runs.deliver(session_id, outcome.prompt)

    async def erase(self, who: Principal, session_id: SessionId) -> None:
        """Erase a session that is in the trash; its folder goes to the trash of folders."""
        session = await self._own(who, session_id)
        if session.trashed_at is None:
            raise NotFoundError("This session is not in the trash. Delete it first.")
        await self._erase(session_id)

    async def sweep(self) -> int:
        """Erase all sessions that have been in the trash for its days; gives their number."""
        due = e.now() - timedelta(days=TRASH_DAYS)
        found = await self._database.read(lambda conn: sessions.trashed_before(conn, due))
        for session_id in found:
            await self._erase(session_id)
        return len(found)

    async def _erase(self, session_id: SessionId) -> None:
        await self._log.append(session_id, [e.SessionDeleted()])
        await self._database.write(lambda conn: sessions.erase(conn, session_id))
        await self._workspaces.remove(session_id)

    async def _own(self, who: Principal, session_id: SessionId) -> Session:
        session = await self._database.read(lambda conn: sessions.get(conn, session_id))
        if session.owner != who.user_id:
            raise NotFoundError(f"There is no session {session_id}.")
        return session
