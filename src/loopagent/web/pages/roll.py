"""One person's sessions, read once and rendered once for all the pages on which they watch.

A roll keeps a row for each session in memory, reads anew those that have changed, renders what is
different and keeps the bytes in a bounded ring. A viewer costs a position, never a rendering.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter, deque
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

import anyio

from loopagent.auth.principal import Principal
from loopagent.domain.ids import EventId, SessionId
from loopagent.eventlog.news import Listener
from loopagent.storage.asks import Ask
from loopagent.storage.overview import Overview
from loopagent.web.pages import lines
from loopagent.web.pages.assets import ASSETS
from loopagent.web.pages.listing import by_session, grouped, row_of
from loopagent.web.pages.rows import Listing, Row, Wish
from loopagent.web.pages.words import STATES
from loopagent.web.services import Services

log = logging.getLogger(__name__)

TICK = 0.2  # seconds in which changes are joined
LOOK_EVERY = 10.0  # seconds, for changes by another server
KEPT = 5_000  # sessions; older ones are found by search
UNUSED = 300.0  # seconds after which a roll that nobody looks at is dropped
RING = 256
RING_BYTES = 1_000_000
PING_EVERY = 10.0
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


@dataclass(frozen=True, slots=True)
class _Payload:
    position: int
    wide: bytes
    narrow: bytes


@dataclass(frozen=True, slots=True)
class _Kept:
    row: Row
    seq: int


class Roll:
    """Serves all pages of one person; `run` must be started in a task group."""

    def __init__(self, services: Services, who: Principal) -> None:
        self._services = services
        self._who = who
        self._rows: dict[SessionId, _Kept] = {}
        self._wishes: dict[EventId, Wish] = {}
        self._counts: dict[str, int] = {}
        self._epoch = secrets.token_hex(4)
        self._position = 0
        self._ring: deque[_Payload] = deque()
        self._ring_bytes = 0
        self._lock = anyio.Lock()
        self._bell = anyio.Event()
        self._listener: Listener | None = None
        self._used_at = anyio.current_time()
        self.viewers = 0
        self.ready = anyio.Event()
        self.is_closed = False

    # -- following ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the rows up to date until nobody has looked for a while."""
        try:
            with self._services.log.news.listening() as self._listener:
                await self._read(None)
                self.ready.set()
                await self._follow(self._listener)
        except Exception:  # A roll is for its viewers alone: they come back and get a new one.
            log.exception("The live list of %s ended", self._who.user_id)
        finally:
            self.is_closed = True
            self.ready.set()
            self._bell.set()

    async def _follow(self, listener: Listener) -> None:
        while self.viewers or anyio.current_time() - self._used_at < UNUSED:
            await listener.wait(LOOK_EVERY)
            await anyio.sleep(TICK)
            async with self._lock:
                changed = listener.take()
                if changed:
                    await self._read(changed)
                elif await self._is_behind():
                    await self._read(None)

    async def _is_behind(self) -> bool:
        """Whether the database knows more than we were told: another server wrote."""
        pulse = await self._services.shelf.pulse(self._who)
        if pulse.sessions > KEPT:
            return False
        rows = self._rows.values()
        return (pulse.sessions, pulse.events, pulse.pinned, pulse.trashed) != (
            len(rows),
            sum(kept.seq for kept in rows),
            sum(kept.row.is_pinned for kept in rows),
            sum(kept.row.state == "trash" for kept in rows),
        )

    async def fresh(self) -> None:
        """Read at once what is known to have changed: a page must show its own form's effect."""
        self._used_at = anyio.current_time()
        async with self._lock:
            changed = self._listener.take() if self._listener is not None else set()
            if changed:
                await self._read(changed)

    # -- reading and rendering ---------------------------------------------------------------

    async def _read(self, only: Collection[SessionId] | None) -> None:
        seen = await self._services.shelf.look(self._who, only, limit=KEPT)
        asks = by_session(seen.asks)
        kept_all = [_kept(item, asks.get(item.session.id, [])) for item in seen.overviews]
        found = {kept.row.id: kept for kept in kept_all}
        asked = set(self._rows) | set(found) if only is None else set(only)
        gone = {key for key in asked if key in self._rows and key not in found}
        changed = [kept for key, kept in found.items() if self._rows.get(key) != kept]
        narrow, wide, both = lines.Lines(), lines.Lines(), lines.Lines()
        for key in gone:
            del self._rows[key]
            wide.remove(f"r-{key}")
            narrow.remove(f"s-{key}")
        for kept in changed:
            old = self._rows.get(kept.row.id)
            self._rows[kept.row.id] = kept
            if old is not None and old.row == kept.row:
                wide.grown(kept.row)
                continue
            wide.put(kept.row, "wide")
            narrow.put(kept.row, "narrow")
        self._renew_wishes(both)
        counts = self._count()
        for state in STATES:
            if counts.get(state, 0) != self._counts.get(state, 0):
                wide.count(state, counts.get(state, 0))
        self._counts = counts
        self._publish(wide.html + both.html, narrow.html + both.html)

    def _renew_wishes(self, both: lines.Lines) -> None:
        wishes = {wish.id: wish for kept in self._rows.values() for wish in kept.row.wishes}
        for wish_id in self._wishes:
            if wish_id not in wishes:
                both.remove(f"t-{wish_id}")
        for wish in wishes.values():
            if self._wishes.get(wish.id) != wish:
                both.wish(wish)
        self._wishes = wishes

    def _count(self) -> dict[str, int]:
        return dict(Counter(kept.row.state for kept in self._rows.values()))

    def _publish(self, wide: str, narrow: str) -> None:
        if not (wide or narrow) or not self.ready.is_set():
            return
        self._position += 1
        place = f"{self._epoch}.{self._position}"
        payload = _Payload(self._position, lines.message(wide, place), lines.message(narrow, place))
        self._ring.append(payload)
        self._ring_bytes += len(payload.wide) + len(payload.narrow)
        while len(self._ring) > RING or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.wide) + len(oldest.narrow)
        self._bell.set()
        self._bell = anyio.Event()

    # -- showing -----------------------------------------------------------------------------

    def listing(self, here: SessionId | None = None, state: str = "", page: int = 1) -> Listing:
        """What a page shows of it now."""
        rows = [kept.row for kept in self._rows.values()]
        return Listing(
            groups=grouped(rows, state, page),
            counts=self._counts,
            wishes=sorted(self._wishes.values(), key=lambda wish: (wish.at, wish.id)),
            after=f"{self._epoch}.{self._position}",
            here=here,
        )

    def row(self, session_id: SessionId) -> Row | None:
        """One session's row."""
        kept = self._rows.get(session_id)
        return None if kept is None else kept.row

    async def view(self, form: str, after: str) -> AsyncGenerator[bytes, None]:
        """The stream of one page that shows the list as it was at `after`."""
        self.viewers += 1
        try:
            yield f"event: build\ndata: {ASSETS.version()}\n\n".encode()
            position = self._position_of(after)
            while not self.is_closed or (position is not None and position < self._position):
                behind = None if position is None else self._behind(position)
                if behind is None:
                    position = self._position
                    yield f"event: stale\nid: {self._epoch}.{position}\ndata: \n\n".encode()
                elif behind:
                    position = behind[-1].position
                    yield b"".join(item.wide if form == "wide" else item.narrow for item in behind)
                elif not await self._rung():
                    yield PING
        finally:
            self.viewers -= 1
            self._used_at = anyio.current_time()

    async def view_asks(self) -> AsyncGenerator[bytes, None]:
        """The stream of a page that nobody sees: the asks alone, whole each time."""
        self.viewers += 1
        shown: bytes | None = None
        try:
            while not self.is_closed:
                asks = lines.asks(self.listing().wishes)
                if asks != shown:
                    shown = asks
                    yield asks
                elif not await self._rung():
                    yield PING
        finally:
            self.viewers -= 1
            self._used_at = anyio.current_time()

    async def _rung(self) -> bool:
        """Wait for news; false if there was none for a while."""
        with anyio.move_on_after(PING_EVERY) as scope:
            await self._bell.wait()
        return not scope.cancelled_caught

    def _position_of(self, after: str) -> int | None:
        epoch, _, number = after.partition(".")
        known = epoch == self._epoch and number.isascii() and number.isdigit() and len(number) < 16
        return int(number) if known and int(number) <= self._position else None

    def _behind(self, position: int) -> list[_Payload] | None:
        """The payloads after `position`; None if the ring has lost some of them."""
        if position == self._position:
            return []
        if not self._ring or self._ring[0].position > position + 1:
            return None
        return [payload for payload in self._ring if payload.position > position]


def _kept(overview: Overview, asks: list[Ask]) -> _Kept:
    return _Kept(row_of(overview, asks), overview.session.seq)
