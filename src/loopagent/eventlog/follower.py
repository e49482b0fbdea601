"""One follower of a log: where it is, and what is new for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loopagent.domain.ids import EventId
from loopagent.errors import NotFoundError
from loopagent.eventlog.frames import Frame, Ping, StoredEvent
from loopagent.eventlog.live import Live

PAGE = 500
LAST = "session.deleted"

# Rows after a seq, at most so many, and the seq of the newest row there is.
ReadPage = Callable[[int, int], Awaitable[tuple[list[StoredEvent], int]]]


class Follower:
    """A cursor in the rows and a place in the draft. Nobody waits for it, nothing is queued."""

    def __init__(self, live: Live, after: int, deltas: frozenset[str], read_page: ReadPage) -> None:
        self.live = live
        self.has_more = False
        self.has_ended = False
        self._seq = after
        self._deltas = deltas
        self._read_page = read_page
        self._draft_id: EventId | None = None
        self._offset = 0
        self._notices = live.notice_count
        self._pings = live.pings

    async def news(self) -> list[Frame]:
        """All that is new: the rest of the message it was reading, rows, the present draft."""
        self.has_more = False
        rows = self.live.tail.after(self._seq)
        if rows is None:
            rows = await self._read()
        # After the wait above: from here on nothing changes in between.
        frames: list[Frame] = []
        self._rest_of_draft(frames)
        # Before the rows: a message that is queued is told of before its row.
        self._new_notices(frames)
        if rows:
            frames.extend(rows)
            self._seq = rows[-1].seq
            self.has_ended = rows[-1].type == LAST
        if not self.has_more:
            self._present_draft(frames)
            self._ping(frames)
        return frames

    async def _read(self) -> list[StoredEvent]:
        try:
            rows, head = await self._read_page(self._seq, PAGE)
        except NotFoundError:
            newest = self.live.tail.newest
            if newest is not None and newest.type == LAST:
                return [newest]  # the session was erased while this one was far behind
            raise
        self.has_more = len(rows) == PAGE
        # A cursor from elsewhere may lie beyond the end: it would miss what comes.
        self._seq = min(self._seq, head)
        self.live.tail.learn(head)
        # A row may be read before its writer has told of it: its draft ends here.
        self.live.settle(rows)
        return rows

    def _rest_of_draft(self, frames: list[Frame]) -> None:
        if self._draft_id is None:
            return
        draft = self.live.find_draft(self._draft_id)
        delta = draft.since(self._offset) if draft is not None else None
        if delta is not None:
            frames.append(delta)
            self._offset += len(delta.text)

    def _present_draft(self, frames: list[Frame]) -> None:
        draft = self.live.draft
        if draft is None or draft.event_id == self._draft_id or draft.kind not in self._deltas:
            return
        frames.append(draft.start)
        self._draft_id, self._offset = draft.event_id, 0
        self._rest_of_draft(frames)

    def _new_notices(self, frames: list[Frame]) -> None:
        if self._notices != self.live.notice_count:
            frames.extend(self.live.notices_after(self._notices))
            self._notices = self.live.notice_count

    def _ping(self, frames: list[Frame]) -> None:
        if self._pings != self.live.pings:
            self._pings = self.live.pings
            if not frames:
                frames.append(Ping())
