"""One follower of a log: where it is, and what is new for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.frames import Frame, Ping, StoredEvent
from loopagent.eventlog.live import Live

PAGE = 500

ReadPage = Callable[[SessionId, int, int], Awaitable[list[StoredEvent]]]


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
        frames: list[Frame] = []
        rows = self.live.after(self._seq)
        self.has_more = False
        if rows is None:
            rows = await self._read_page(self.live.session_id, self._seq, PAGE)
            self.has_more = len(rows) == PAGE
            if not rows:
                self.live.known_up_to(self._seq)
            for row in rows:
                # The database may be ahead of what was published: the draft is complete, then.
                self.live.complete(row)
        # After the wait above: from here on nothing changes in between.
        self._rest_of_draft(frames)
        frames.extend(rows)
        if rows:
            self._seq = rows[-1].seq
            self.has_ended = rows[-1].type == "session.deleted"
        if not self.has_more:
            self._present_draft(frames)
            self._others(frames)
        return frames

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

    def _others(self, frames: list[Frame]) -> None:
        if self._notices != self.live.notice_count:
            frames.extend(self.live.notices_after(self._notices))
            self._notices = self.live.notice_count
        if self._pings != self.live.pings:
            self._pings = self.live.pings
            if not frames:
                frames.append(Ping())
