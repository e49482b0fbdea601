"""The live side of one session, in memory: its draft, its newest rows, its notices, its bell.

There is no queue per viewer. A follower has a cursor and asks what is new for it; a slow one just
gets more at a time. Everything here is bounded, and may be dropped at any time: rows are in the
database, drafts are saved.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.bell import Bell
from loopagent.eventlog.draft import Draft
from loopagent.eventlog.frames import Notice, StoredEvent
from loopagent.eventlog.tail import Tail

# How long text may wait to be joined with what follows. Waking hundreds of followers for every
# few characters costs more than anybody can see; with a few of them each piece may go at once.
JOIN_SECONDS = 0.04
JOIN_SECONDS_FOR_FEW = 0.015
FEW = 50
_RECENT = 8
_NOTICES = 64


class Live:
    """The live side of one session. Used from the loop's thread alone.

    touched: called when there is something to save or to unsave.
    """

    def __init__(self, session_id: SessionId, touched: Callable[[Live], None]) -> None:
        self.session_id = session_id
        self.bell = Bell()
        self.tail = Tail()
        self.draft: Draft | None = None
        self.void: Draft | None = None
        self.pings = 0
        self.notice_count = 0
        self._followers = 0
        self._touched = touched
        self._recent: OrderedDict[EventId, Draft] = OrderedDict()
        self._notices: deque[tuple[int, Notice]] = deque(maxlen=_NOTICES)
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = float("-inf")

    # -- who follows ------------------------------------------------------------------------

    @property
    def is_followed(self) -> bool:
        return self._followers > 0

    def enter(self) -> None:
        """A follower comes."""
        self._followers += 1

    def leave(self) -> None:
        """A follower goes; without any, rows are not kept in memory."""
        self._followers -= 1
        if not self._followers:
            self.tail.forget()

    # -- rows -------------------------------------------------------------------------------

    def publish(self, rows: Sequence[StoredEvent]) -> None:
        """Rows that are on disk now."""
        self.tail.add(rows)
        self.settle(rows)
        if rows:
            self.bell.ring()

    def settle(self, rows: Sequence[StoredEvent]) -> None:
        """The draft is complete if its row is among these, however they became known."""
        for row in rows:
            if self.draft is not None and self.draft.event_id == row.id:
                self._put_aside(self.draft)

    def written_elsewhere(self, head: int) -> None:
        """The database's newest row is `head`, whoever wrote it."""
        if self.tail.skip_to(head):
            self.bell.ring()

    # -- the draft --------------------------------------------------------------------------

    def open_draft(self, event_id: EventId, kind: str) -> None:
        """An event begins to be written; one that was not completed won't be any more."""
        self.close_draft()
        self.draft, self.void = Draft(event_id, kind), None
        self._shown_at = float("-inf")
        self._touched(self)
        self.bell.ring()

    def extend_draft(self, text: str) -> None:
        """It goes on. The first piece is shown at once, further ones are joined for a moment."""
        if self.draft is None:
            return
        self.draft.extend(text)
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        joined = JOIN_SECONDS_FOR_FEW if self._followers <= FEW else JOIN_SECONDS
        if loop.time() - self._shown_at >= joined:
            self._show()
        else:
            self._timer = loop.call_later(joined, self._show)

    def close_draft(self) -> None:
        """It will not be completed."""
        if self.draft is not None:
            self.void = self.draft
            self._put_aside(self.draft)
            self._touched(self)
            self.bell.ring()

    def find_draft(self, event_id: EventId) -> Draft | None:
        """A draft that is being written or was lately."""
        if self.draft is not None and self.draft.event_id == event_id:
            return self.draft
        return self._recent.get(event_id)

    def _put_aside(self, draft: Draft) -> None:
        """Followers that have begun it still want its end."""
        draft.show()
        self.draft = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._recent[draft.event_id] = draft
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)

    def _show(self) -> None:
        self._timer = None
        assert self.draft is not None  # its end cancels the timer
        self.draft.show()
        self._shown_at = asyncio.get_running_loop().time()
        self.bell.ring()

    # -- notices and pings ------------------------------------------------------------------

    def notice(self, kind: str, body: str) -> None:
        """Tell those who look now of an event that has no row yet; it is not kept.

        Nothing is said if its row has come first: that would look like a step back.
        """
        if self.tail.has(json.loads(body)["id"]):
            return
        self.notice_count += 1
        self._notices.append((self.notice_count, Notice(kind, body)))
        self.bell.ring()

    def notices_after(self, count: int) -> list[Notice]:
        """The newest notices, as far as they are remembered."""
        return [notice for number, notice in self._notices if number > count]

    def ping(self) -> None:
        """Followers that hear nothing else get a sign of life."""
        self.pings += 1
        self.bell.ring()
