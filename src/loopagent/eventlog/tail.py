"""The newest rows of one log in memory, without a hole, so that live followers ask no database."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from loopagent.domain.ids import EventId
from loopagent.eventlog.frames import StoredEvent

MAX_ROWS = 256
MAX_CHARS = 4_000_000


class Tail:
    """Rows up to `head`, the newest one known to be on disk.

    Until somebody has looked into the database (`learn`), nobody knows what lies before the rows
    that come in: then none are kept.
    """

    def __init__(self) -> None:
        self.head = 0
        self._is_known = False
        self._rows: deque[StoredEvent] = deque()
        self._chars = 0

    def add(self, rows: Sequence[StoredEvent]) -> None:
        """Rows that are on disk now; those that came before are left out."""
        for row in rows:
            if row.seq <= self.head:
                continue
            if row.seq != self.head + 1:
                # The one before is on its way, or was written elsewhere: the database has all.
                self._clear()
            self.head = row.seq
            if self._is_known:
                self._rows.append(row)
                self._chars += len(row.body)
        # The newest row stays, however big: every live follower is about to read it.
        while len(self._rows) > MAX_ROWS or (self._chars > MAX_CHARS and len(self._rows) > 1):
            self._chars -= len(self._rows.popleft().body)

    def learn(self, head: int) -> None:
        """The database's newest row was `head`."""
        if not self._is_known:
            self._is_known = True
            self.head = max(self.head, head)

    def skip_to(self, head: int) -> bool:
        """As `learn`, of rows that nobody has added; whether there are such."""
        if head <= self.head:
            return False
        self._clear()
        self.head = head
        return True

    def forget(self) -> None:
        """Nobody follows any more."""
        self._is_known = False
        self._clear()

    def after(self, seq: int) -> list[StoredEvent] | None:
        """Rows after `seq`; None if only the database can tell."""
        if not self._is_known or seq > self.head:
            return None
        missing = self.head - seq
        if missing > len(self._rows):
            return None
        return list(islice(self._rows, len(self._rows) - missing, None)) if missing else []

    def has(self, event_id: EventId) -> bool:
        """Whether an event is among the rows in memory."""
        return any(row.id == event_id for row in self._rows)

    @property
    def newest(self) -> StoredEvent | None:
        """The last row, if it is in memory."""
        return self._rows[-1] if self._rows else None

    def _clear(self) -> None:
        self._rows.clear()
        self._chars = 0
