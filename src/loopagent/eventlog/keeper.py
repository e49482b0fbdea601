"""What is done now and then for all logs: saving drafts, pings, a look for rows of others."""

from __future__ import annotations

import logging
import weakref

import anyio

from loopagent.domain.ids import EventId, SessionId
from loopagent.errors import LoopError, NotFoundError
from loopagent.eventlog.draft import Draft
from loopagent.eventlog.live import Live
from loopagent.storage import drafts, events, sessions
from loopagent.storage.database import Connection, Database
from loopagent.storage.drafts import SavedDraft

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
PING_SECONDS = 10.0

Lives = weakref.WeakValueDictionary[SessionId, Live]


class Keeper:
    """Owns the saved drafts. A live side with something to save is held until that is done."""

    def __init__(self, database: Database, lives: Lives) -> None:
        self._database = database
        self._lives = lives
        self._held: dict[SessionId, Live] = {}
        self._void: dict[SessionId, EventId] = {}

    def hold(self, live: Live) -> None:
        """A draft was opened or voided."""
        self._held[live.session_id] = live

    async def run(self) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as tasks:
            # Apart, so that a database that hangs doesn't silence the pings.
            tasks.start_soon(self._save_now_and_then, name="event log: drafts")
            tasks.start_soon(self._look_around, name="event log: rows of others")
            while True:
                await anyio.sleep(PING_SECONDS)
                for live in list(self._lives.values()):
                    live.ping()

    async def save(self) -> None:
        """Save every draft that has grown; unsave those that came to nothing."""
        grown = [
            (live, live.draft, saved(live.draft))
            for live in self._held.values()
            if live.draft is not None and not live.draft.is_saved
        ]
        # Those voided since the last time are left for the next: a row with their text may be on
        # its way, and a kill in between must not lose it.
        void = {
            live.session_id: live.void.event_id
            for live in self._held.values()
            if live.void is not None
        }
        gone = [item for item in void.items() if self._void.get(item[0]) == item[1]]
        for _, draft, _ in grown:
            draft.is_saved = True

        def write(conn: Connection) -> None:
            for live, _, draft in grown:
                _save(conn, live.session_id, draft)
            for session_id, event_id in gone:
                _unsave(conn, session_id, event_id)

        try:
            if grown or gone:
                await self._database.write(write)
        except LoopError as error:
            for _, draft, _ in grown:
                draft.is_saved = False
            log.warning("Drafts were not saved: %s", error.message)
            return
        self._void = void
        for session_id, _ in gone:
            self._held[session_id].void = None
        self._held = {
            key: live
            for key, live in self._held.items()
            if live.draft is not None or live.void is not None
        }

    async def _save_now_and_then(self) -> None:
        while True:
            await anyio.sleep(SAVE_SECONDS)
            await self.save()

    async def _look_around(self) -> None:
        while True:
            await anyio.sleep(PING_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Tell followers of rows that nobody told of: written elsewhere, or their writer is gone."""
        followed = [live for live in self._lives.values() if live.is_followed]

        def heads(conn: Connection) -> list[int]:
            return [_head(conn, live.session_id) for live in followed]

        try:
            found = await self._database.read(heads) if followed else []
        except LoopError as error:
            log.warning("The log could not be looked at: %s", error.message)
            return
        for live, head in zip(followed, found, strict=True):
            live.written_elsewhere(head)


def saved(draft: Draft) -> SavedDraft:
    """The draft as it is kept."""
    return SavedDraft(draft.event_id, draft.kind, draft.text)


def _save(conn: Connection, session_id: SessionId, draft: SavedDraft) -> None:
    # It may have been completed, or its session erased, since its text was taken.
    if sessions.exists(conn, session_id) and events.by_id(conn, session_id, draft.event_id) is None:
        drafts.save(conn, session_id, draft)


def _unsave(conn: Connection, session_id: SessionId, event_id: EventId) -> None:
    draft = drafts.get(conn, session_id)
    if draft is not None and draft.event_id == event_id:
        drafts.remove(conn, session_id)


def _head(conn: Connection, session_id: SessionId) -> int:
    try:
        return sessions.get(conn, session_id).seq
    except NotFoundError:
        return 0
