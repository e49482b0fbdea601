"""The text of an event that is being written. Not in the log: its row comes when it is complete."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict

from loopagent.domain.ids import EventId
from loopagent.domain.text import well_formed
from loopagent.eventlog.frames import DraftDelta, DraftStart

MAX_CHARS = 32_000_000
_CACHED = 16


class Draft:
    """What there is of it so far. Followers see the text up to `visible`, in characters.

    Beyond 32 million characters the preview stands still; the row will have all of it.
    """

    def __init__(self, event_id: EventId, kind: str) -> None:
        self.event_id = event_id
        self.kind = kind
        self.is_saved = False
        self.visible = 0
        self.start = DraftStart(event_id, kind)
        self._length = 0
        self._hidden: list[str] = []
        # What was shown together stays together, so that a long draft is never copied as a whole.
        self._shown: list[str] = []
        self._ends: list[int] = []
        self._deltas: OrderedDict[tuple[int, int], DraftDelta] = OrderedDict()

    @property
    def text(self) -> str:
        """All of it, also what isn't visible yet."""
        return "".join([*self._shown, *self._hidden])

    def extend(self, text: str) -> None:
        if text and self._length + len(text) <= MAX_CHARS:
            self._hidden.append(well_formed(text))
            self._length += len(text)
            self.is_saved = False

    def show(self) -> None:
        """Let followers see all that there is."""
        if self._hidden:
            self._shown.append("".join(self._hidden))
            self._hidden.clear()
            self._ends.append(self._length)
            self.visible = self._length

    def since(self, offset: int) -> DraftDelta | None:
        """What a follower that has `offset` characters lacks: made once for all of them."""
        if offset >= self.visible:
            return None
        key = (offset, self.visible)
        delta = self._deltas.get(key)
        if delta is None:
            # A follower's offset is always the end of something that was shown.
            first = bisect_left(self._ends, offset) + 1 if offset else 0
            delta = DraftDelta(self.event_id, self.kind, offset, "".join(self._shown[first:]))
            self._deltas[key] = delta
            if len(self._deltas) > _CACHED:
                self._deltas.popitem(last=False)
        return delta
