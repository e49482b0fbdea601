"""The live side of one session, in memory: its draft, its newest rows, its notices, its bell.

There is no queue per viewer. A follower has a cursor and asks what is new for it; a slow one just
gets more at a time. Everything here is bounded, and may be dropped at any time: rows are in the
database, drafts are saved.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.frames import DraftDelta, DraftStart, Notice, StoredEvent

JOIN_SECONDS = 0.04
MAX_DRAFT = 32_000_000
_TAIL_ROWS = 256
_TAIL_CHARS = 4_000_000
_RECENT = 8
_NOTICES = 64
_CACHED = 16


class Draft:
    """An event that is being written. Followers see the text up to `visible`."""

    def __init__(self, event_id: EventId, kind: str) -> None:
        self.event_id = event_id
        self.kind = kind
        self.is_open = True
        self.is_saved = False
        self.visible = 0
        self.start = DraftStart(event_id, kind)
        self._text = ""
        self._pieces: list[str] = []
        self._length = 0
        self._deltas: OrderedDict[tuple[int, int], DraftDelta] = OrderedDict()

    @property
    def text(self) -> str:
        """The text so far."""
        if self._pieces:
            self._text += "".join(self._pieces)
            self._pieces.clear()
        return self._text

    def extend(self, text: str) -> None:
        if self._length + len(text) <= MAX_DRAFT:
            self._pieces.append(text)
            self._length += len(text)
            self.is_saved = False

    def show(self) -> None:
        """Let followers see all that there is."""
        self.visible = self._length

    def since(self, offset: int) -> DraftDelta | None:
        """What a follower that has `offset` characters lacks: made once for all of them."""
        if offset >= self.visible:
            return None
        key = (offset, self.visible)
        delta = self._deltas.get(key)
        if delta is None:
            piece = self.text[offset : self.visible]
            delta = DraftDelta(self.event_id, self.kind, offset, piece)
            self._deltas[key] = delta
            if len(self._deltas) > _CACHED:
                self._deltas.popitem(last=False)
        return delta


class Bell:
    """Wakes all that wait. Take `next()` before looking: then no ring is missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        return self._event

    def ring(self) -> None:
        rung, self._event = self._event, asyncio.Event()
        rung.set()


class Live:
    """The live side of one session. Used from the loop's thread alone."""

    def __init__(self, session_id: SessionId, hold: Callable[[Live, bool], None]) -> None:
        self.session_id = session_id
        self.bell = Bell()
        self.draft: Draft | None = None
        self.pings = 0
        self.notice_count = 0
        self._hold = hold
        self._recent: OrderedDict[EventId, Draft] = OrderedDict()
        self._notices: deque[tuple[int, Notice]] = deque(maxlen=_NOTICES)
        self._tail: deque[StoredEvent] = deque()
        self._tail_chars = 0
        self._last_seq: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shown_at = float("-inf")

    # -- rows -------------------------------------------------------------------------------

    def publish(self, rows: Sequence[StoredEvent]) -> None:
        """Rows that are on disk now."""
        for row in rows:
            if self._last_seq is not None and row.seq <= self._last_seq:
                continue
            if self._tail and row.seq != self._tail[-1].seq + 1:
                # A row before it is on its way, or was written elsewhere: the database has all.
                self._tail.clear()
                self._tail_chars = 0
            self._tail.append(row)
            self._tail_chars += len(row.body)
            self._last_seq = row.seq
            self.complete(row)
        while len(self._tail) > _TAIL_ROWS or self._tail_chars > _TAIL_CHARS:
            self._tail_chars -= len(self._tail.popleft().body)
        if rows:
            self.bell.ring()

    def after(self, seq: int) -> list[StoredEvent] | None:
        """Rows after `seq` from memory; None if only the database can tell."""
        if self._last_seq is not None and seq >= self._last_seq:
            return []
        if self._tail and self._tail[0].seq <= seq + 1:
            return [row for row in self._tail if row.seq > seq]
        return None

    def known_up_to(self, seq: int) -> None:
        """The database had nothing after `seq`."""
        if self._last_seq is None:
            self._last_seq = seq

    # -- the draft --------------------------------------------------------------------------

    def open_draft(self, event_id: EventId, kind: str) -> None:
        """An event begins to be written."""
        self.close_draft()
        self.draft = Draft(event_id, kind)
        self._hold(self, True)
        self._show()
        self._shown_at = float("-inf")  # its first piece of text is not held back

    def extend_draft(self, text: str) -> None:
        """It goes on. The first piece is shown at once, further ones are joined for a moment."""
        if self.draft is None:
            return
        self.draft.extend(text)
        if self._timer is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._shown_at + JOIN_SECONDS - loop.time()
        if wait <= 0:
            self._show()
        else:
            self._timer = loop.call_later(wait, self._show)

    def close_draft(self) -> None:
        """It will not be completed."""
        if self.draft is not None:
            self._put_aside(self.draft)

    def complete(self, row: StoredEvent) -> None:
        """A row is on disk: if it was being written, all of its text is shown."""
        if self.draft is not None and self.draft.event_id == row.id:
            self.draft.show()
            self._put_aside(self.draft)

    def _put_aside(self, draft: Draft) -> None:
        draft.is_open = False
        self.draft = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._recent[draft.event_id] = draft
        if len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._hold(self, False)

    def _show(self) -> None:
        self._timer = None
        if self.draft is not None:
            self.draft.show()
            self._shown_at = asyncio.get_running_loop().time()
            self.bell.ring()

    def find_draft(self, event_id: EventId) -> Draft | None:
        """A draft that is being written or was lately."""
        if self.draft is not None and self.draft.event_id == event_id:
            return self.draft
        return self._recent.get(event_id)

    # -- notices and pings ------------------------------------------------------------------

    def notice(self, kind: str, body: str) -> None:
        """Tell those who look now of something that has no row; it is not kept."""
        self.notice_count += 1
        self._notices.append((self.notice_count, Notice(kind, body)))
        self.bell.ring()

    def notices_after(self, count: int) -> list[Notice]:
        return [notice for number, notice in self._notices if number > count]

    def ping(self) -> None:
        self.pings += 1
        self.bell.ring()
