"""The log of each session: append in one transaction, follow from any point."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

import anyio

from loopagent.domain import events as e
from loopagent.domain.ids import EventId, SessionId
from loopagent.domain.said import said
from loopagent.domain.session import Session, apply
from loopagent.errors import StaleSequenceError
from loopagent.eventlog.follower import Follower
from loopagent.eventlog.frames import Frame, StoredEvent
from loopagent.eventlog.keeper import Keeper, Lives, saved
from loopagent.eventlog.live import Live
from loopagent.eventlog.news import News
from loopagent.eventlog.projection import project, set_aside, with_metered_cost
from loopagent.storage import drafts, events, search, sessions
from loopagent.storage.database import Connection, Database
from loopagent.storage.drafts import SavedDraft
from loopagent.storage.events import EventRow
from loopagent.storage.search import Text

__all__ = ["EventLog", "StoredEvent"]

_CLOSE_WITHIN = 5.0
_DRAFTED = {"agent.message", "agent.thinking"}
_ENDS_TURN = {"session.status_idle", "session.status_terminated"}


class EventLog:
    """All logs. Enter it as a context: tasks of its own save drafts and send pings.

    news: which sessions have changed.
    """

    def __init__(self, database: Database) -> None:
        self.news = News()
        self._database = database
        self._lives: Lives = weakref.WeakValueDictionary()
        self._keeper = Keeper(database, self._lives)
        self._closed = False
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._keeping())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
        await self._stack.aclose()
        await self._save()  # what runners wrote while the server was ending

    @asynccontextmanager
    async def _keeping(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keeper.run, name="event log")
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    # -- writing ----------------------------------------------------------------------------

    async def append(
        self,
        session_id: SessionId,
        new: Sequence[e.Event],
        *,
        expected_seq: int | None = None,
    ) -> list[StoredEvent]:
        """Append events; they are on disk and numbered when this returns.

        A user event whose id is in the log already gives its row and writes nothing. Raises
        NotFoundError (session), StaleSequenceError, AlreadyAnsweredError (a late answer).
        """
        # What is on disk must be shown, also when the caller gives up meanwhile.
        with anyio.CancelScope(shield=True):
            rows = await self._database.write(
                lambda conn: self.append_in(conn, session_id, new, expected_seq=expected_seq)
            )
            self.published(session_id, rows)
        return rows

    def append_in(
        self,
        conn: Connection,
        session_id: SessionId,
        new: Sequence[e.Event],
        *,
        expected_seq: int | None = None,
    ) -> list[StoredEvent]:
        """`append` inside a larger transaction; hand the rows to `published` after its commit."""
        session = sessions.get(conn, session_id, lock=True)
        if expected_seq is not None and session.seq != expected_seq:
            raise StaleSequenceError(
                f"The log is at {session.seq}, not {expected_seq}. Read it again."
            )
        at = e.now()
        rows: list[StoredEvent] = []
        fresh: list[EventRow] = []
        found: list[Text] = []
        for event in new:
            known = _known(conn, session_id, event, rows)
            if known is not None:
                rows.append(known)
                continue
            session, row = _number(conn, session, event, at)
            fresh.append(row)
            rows.append(_stored(row))
            words = said(event)
            if words is not None:
                found.append(Text(session_id, row.seq, row.id, words.kind, words.text))
        if fresh:
            events.insert_rows(conn, fresh)
            search.add(conn, found)
            sessions.save(conn, session)
            _end_draft(conn, session_id, fresh)
        return rows

    def published(self, session_id: SessionId, rows: Sequence[StoredEvent]) -> None:
        """Show rows to followers, once they are on disk."""
        live = self._lives.get(session_id)
        if live is not None:
            live.publish(rows)
        self.news.tell(session_id)

    # -- reading ----------------------------------------------------------------------------

    async def page(
        self,
        session_id: SessionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
        types: Sequence[str] = (),
        order: Literal["asc", "desc"] = "asc",
        hidden: str | None = None,
        processed: dict[str, datetime] | None = None,
    ) -> list[StoredEvent]:
        """Rows with `after` < seq < `before`, at most `limit`.

        types: only these. hidden: none whose type begins so. processed: bounds on the time by
        name ("gt", "gte", "lt", "lte").
        """
        rows = await self._database.read(
            lambda conn: events.page(
                conn,
                session_id,
                after=after,
                before=before,
                limit=limit,
                types=types,
                order=order,
                hidden=hidden,
                processed=processed,
            )
        )
        return [_stored(row) for row in rows]

    async def event(self, session_id: SessionId, event_id: EventId) -> StoredEvent | None:
        """One row, or None."""
        row = await self._database.read(lambda conn: events.by_id(conn, session_id, event_id))
        return None if row is None else _stored(row)

    async def follow(
        self, session_id: SessionId, after: int = 0, *, deltas: frozenset[str] = frozenset()
    ) -> AsyncGenerator[Frame, None]:
        """Rows after `after`, then live. Ends only after `session.deleted` and at `close`.

        deltas: types of events that are shown while they are written: the text so far first.
        """
        live = self.live(session_id)

        async def read_page(seq: int, limit: int) -> tuple[list[StoredEvent], int]:
            return await self._database.read(lambda conn: _page(conn, session_id, seq, limit))

        follower = Follower(live, after, deltas, read_page)
        live.enter()
        try:
            while not (self._closed or follower.has_ended):
                heard = live.bell.rings
                frames = await follower.news()
                for frame in frames:
                    yield frame
                if not frames and not follower.has_more:
                    await live.bell.wait(heard)
        finally:
            live.leave()

    def live(self, session_id: SessionId) -> Live:
        """The live side of a session."""
        live = self._lives.get(session_id)
        if live is None:
            live = Live(session_id, self._keeper.hold)
            self._lives[session_id] = live
        return live

    def ring(self, session_id: SessionId) -> None:
        """Wake the followers of a session: something besides its log has changed."""
        live = self._lives.get(session_id)
        if live is not None:
            live.bell.ring()
        self.news.tell(session_id)

    async def take_draft(self, session_id: SessionId) -> SavedDraft | None:
        """What was being written last: from memory, or as it was saved before a crash."""
        live = self._lives.get(session_id)
        if live is not None and live.draft is not None:
            return saved(live.draft)
        void = live.void if live is not None else None

        def read(conn: Connection) -> SavedDraft | None:
            draft = drafts.get(conn, session_id)
            if draft is None or (void is not None and void.event_id == draft.event_id):
                return None
            return None if events.by_id(conn, session_id, draft.event_id) else draft

        return await self._database.read(read)

    async def close(self) -> None:
        """End all followers and save what is being written."""
        if self._closed:
            return
        self._closed = True
        for live in list(self._lives.values()):
            live.bell.ring()
        await self._save()

    # -- behind the scenes ------------------------------------------------------------------

    async def _save(self) -> None:
        with anyio.move_on_after(_CLOSE_WITHIN, shield=True):
            await self._keeper.save()


def _number(
    conn: Connection, session: Session, event: e.Event, at: datetime
) -> tuple[Session, EventRow]:
    """The session after one more event, and that event's row."""
    whole = with_metered_cost(conn, session, set_aside(conn, session, event))
    placed = e.processed(whole, session.seq + 1, at)
    project(conn, session, placed)
    row = EventRow(session.id, session.seq + 1, placed.id, placed.type, at, e.encode_event(placed))
    return apply(session, placed), row


def _known(
    conn: Connection, session_id: SessionId, event: e.Event, before: Sequence[StoredEvent]
) -> StoredEvent | None:
    """The row of an event that a client has sent before: its id is the client's own."""
    if not event.type.startswith("user."):
        return None
    row = events.by_id(conn, session_id, event.id)
    if row is not None:
        return _stored(row)
    return next((row for row in before if row.id == event.id), None)


def _end_draft(conn: Connection, session_id: SessionId, fresh: Sequence[EventRow]) -> None:
    """Forget the saved draft that these rows complete or make void."""
    if any(row.type in _ENDS_TURN for row in fresh):
        drafts.remove(conn, session_id)
    elif any(row.type in _DRAFTED for row in fresh):
        draft = drafts.get(conn, session_id)
        if draft is not None and draft.event_id in {row.id for row in fresh}:
            drafts.remove(conn, session_id)


def _page(
    conn: Connection, session_id: SessionId, seq: int, limit: int
) -> tuple[list[StoredEvent], int]:
    """Rows after a seq, and the newest row's; raises NotFoundError."""
    head = sessions.get(conn, session_id).seq
    return [_stored(row) for row in events.page(conn, session_id, after=seq, limit=limit)], head


def _stored(row: EventRow) -> StoredEvent:
    return StoredEvent(row.seq, row.id, row.type, row.body)
