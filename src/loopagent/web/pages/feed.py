"""One session's transcript, followed once and rendered once for all who watch it.

A feed folds the log as it grows, renders what changed at most every 40 ms, and keeps the rendered
bytes in a bounded ring. Viewers read the ring at their own pace; one that falls behind, or comes
back, gets what it has missed from the fold. So a viewer costs a position, never a rendering.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import anyio

from loopagent.auth.principal import Principal
from loopagent.domain import events as e
from loopagent.domain.ids import EventId
from loopagent.domain.session import Session, apply
from loopagent.errors import NotFoundError
from loopagent.eventlog.frames import DraftDelta, DraftStart, Frame, Notice, Row
from loopagent.web.pages import partials
from loopagent.web.pages.blocks import Block, TextBlock, ThinkingBlock
from loopagent.web.pages.contexts import Dock, Head, models_of
from loopagent.web.pages.facts import dock_of, event_of, head_of
from loopagent.web.pages.streaming import GrowingText
from loopagent.web.pages.transcript import Transcript
from loopagent.web.services import Services

log = logging.getLogger(__name__)

DELTAS = frozenset({"agent.message", "agent.thinking"})
WINDOW = 300  # events that a feed, like a page, begins with
SHOWN = 100  # top-level blocks on a fresh page
KEPT = 600  # blocks that a feed remembers
RING = 256  # payloads that a viewer may be behind
RING_BYTES = 2_000_000
TICK = 0.04
BYTES_PER_SECOND = 400_000  # of a growing text: large ones go out less often
PING_EVERY = 10.0
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
GONE = b'event: gone\ndata: {"type":"gone"}\n\n'


@dataclass(frozen=True, slots=True)
class _Payload:
    position: int
    seq: int
    data: bytes


class Feed:
    """Serves all viewers of one session; `run` must be started in a task group."""

    def __init__(self, services: Services, who: Principal, session: Session) -> None:
        self._services = services
        self._who = who
        self._session = session
        self._transcript = Transcript()
        self._growing: dict[EventId, GrowingText] = {}
        self._orphans: list[tuple[EventId, e.Event]] = []
        self._oldest = 0
        self._head: Head | None = None
        self._models = models_of(services.settings)
        self._dock = Dock()
        self._dock_is_stale = True
        self._ring: deque[_Payload] = deque()
        self._ring_bytes = 0
        self._position = 0
        self._lock = anyio.Lock()
        self._dirty = anyio.Event()
        self._bell = anyio.Event()
        self._is_deleted = False
        self._has_ended = False
        self.viewers = 0
        self.ready = anyio.Event()
        self.is_closed = False

    # -- following ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the log until it ends, the session is deleted, or nobody watches any more."""
        try:
            await self._open()
            async with anyio.create_task_group() as group:
                group.start_soon(self._read, name="feed: read")
                await self._write()
                group.cancel_scope.cancel()
        except Exception:  # A feed is for its viewers alone: they come back and get a new one.
            log.exception("%s: the feed of the page ended", self._session.id)
        finally:
            self.is_closed = True
            self.ready.set()
            self._bell.set()

    async def _open(self) -> None:
        rows = await self._services.log.page(self._session.id, limit=WINDOW, order="desc")
        for row in reversed(rows):
            self._fold(e.parse_event(row.body))
        self._transcript.take_changes()
        self._oldest = rows[-1].seq if rows else 0
        self._head = head_of(self._session, self._services.settings.limits)
        self._dock = await dock_of(self._services, self._who, self._session.id)
        self._dock_is_stale = False
        self.ready.set()

    async def _read(self) -> None:
        frames = self._services.log.follow(self._session.id, self._transcript.seq, deltas=DELTAS)
        async for frame in frames:
            self._take(frame)
            if self._has_ended:
                break
        self._has_ended = True
        self._dirty.set()

    def _take(self, frame: Frame) -> None:
        match frame:
            case Row():
                self._fold(e.parse_event(frame.body))
            case DraftStart():
                self._transcript.start_draft(frame.event_id, frame.type)
            case DraftDelta():
                self._transcript.extend_draft(frame.event_id, frame.offset, frame.text)
            case Notice():
                self._dock_is_stale = True
            case _:  # a ping: a good time to see whether anybody is left
                self._dock_is_stale = not self._dock.is_empty
                self._has_ended = self.viewers == 0
        self._dirty.set()

    def _fold(self, event: e.Event) -> None:
        if (event.seq or 0) > self._session.seq:
            self._session = apply(self._session, event)
        missing = self._transcript.apply(event)
        if missing is not None:
            self._orphans.append((missing, event))
        if isinstance(event, e.UserMessage | e.TaskStarted | e.TaskEnded):
            self._dock_is_stale = True
        if isinstance(event, e.SessionDeleted):
            self._is_deleted = self._has_ended = True

    # -- rendering ---------------------------------------------------------------------------

    async def _write(self) -> None:
        while not self._has_ended:
            await self._dirty.wait()
            self._dirty = anyio.Event()
            async with self._lock:
                size = await self._flush()
            await anyio.sleep(TICK + size / BYTES_PER_SECOND)
        async with self._lock:
            await self._flush()

    async def _flush(self) -> int:
        """Render what changed and give it to all viewers; the bytes of it."""
        await self._adopt_orphans()
        dock = ""
        if self._dock_is_stale and not self._has_ended:
            dock = await self._changed_dock()
        # Nothing may wait from here on: the message's seq says what it holds.
        html = [*self._changed_blocks(), dock]
        head = head_of(self._session, self._services.settings.limits)
        if head != self._head:
            self._head = head
            html.append(partials.head(head, self._models))
        data = partials.message("".join(html), self._transcript.seq) if any(html) else b""
        if self._is_deleted:
            data += GONE
        if data:
            self._publish(data)
        return len(data)

    def _changed_blocks(self) -> list[str]:
        changes = self._transcript.take_changes()
        html = [partials.remove(event_id) for event_id in changes.gone]
        whole = []
        for block in changes.blocks:
            if isinstance(block, TextBlock | ThinkingBlock) and block.id in self._growing:
                pieces = self._growing[block.id].update(block.text)
                if block.open:
                    html.append(partials.grow(block.id, pieces))
                    continue
                del self._growing[block.id]
            elif isinstance(block, TextBlock | ThinkingBlock) and block.open:
                self._growing[block.id] = GrowingText()
                self._growing[block.id].update(block.text)
            whole.append(block)
        for event_id in changes.gone:
            self._growing.pop(event_id, None)
        if len(self._growing) == 0:
            self._oldest = max(self._oldest, self._transcript.prune(KEPT))
        return [*html, partials.put(self._session.id, whole)]

    async def _changed_dock(self) -> str:
        self._dock_is_stale = False
        dock = await dock_of(self._services, self._who, self._session.id)
        if dock == self._dock:
            return ""
        self._dock = dock
        return partials.dock(self._session.id, dock)

    async def _adopt_orphans(self) -> None:
        """Fetch the tool calls whose results came in but which are older than the window."""
        orphans, self._orphans = self._orphans, []
        for call, event in orphans:
            seq = self._transcript.seq
            with contextlib.suppress(NotFoundError):
                self._transcript.apply(await event_of(self._services, self._session.id, call))
                self._transcript.complete(event)
            self._transcript.seq = seq

    def _publish(self, data: bytes) -> None:
        self._position += 1
        self._ring.append(_Payload(self._position, self._transcript.seq, data))
        self._ring_bytes += len(data)
        while len(self._ring) > RING or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            self._ring_bytes -= len(self._ring.popleft().data)
        self._bell.set()
        self._bell = anyio.Event()

    # -- viewing -----------------------------------------------------------------------------

    async def view(self, after: int) -> AsyncGenerator[bytes, None]:
        """The stream of one viewer whose page shows the log up to `after`."""
        self.viewers += 1
        try:
            position, seq, data = await self._catch_up(after)
            yield data
            while not self.is_closed or position < self._position:
                if position < self._position:
                    behind = self._behind(position)
                    if behind is None:
                        position, seq, data = await self._catch_up(seq)
                    else:
                        position, seq = behind[-1].position, behind[-1].seq
                        data = b"".join(payload.data for payload in behind)
                    yield data
                elif not await self._rung():
                    yield PING
        finally:
            self.viewers -= 1

    async def _rung(self) -> bool:
        """Wait for news; false if there was none for a while."""
        with anyio.move_on_after(PING_EVERY) as scope:
            await self._bell.wait()
        return not scope.cancelled_caught

    def _behind(self, position: int) -> list[_Payload] | None:
        """The payloads after `position`; None if the ring has lost some of them."""
        if not self._ring or self._ring[0].position > position + 1:
            return None
        return [payload for payload in self._ring if payload.position > position]

    async def _catch_up(self, after: int) -> tuple[int, int, bytes]:
        """Position, seq and all that a viewer needs who has seen the log up to `after`."""
        async with self._lock:
            # So that what is pending is not both in here and in the next payload.
            await self._flush()
            seq = self._transcript.seq
            html = [self._missed(after)]
            if self._head is not None:
                html.append(partials.head(self._head, self._models))
            html.append(partials.dock(self._session.id, self._dock))
            return self._position, seq, partials.message("".join(html), seq)

    def _missed(self, after: int) -> str:
        if after + 1 >= self._oldest:
            return partials.put(self._session.id, self._transcript.since(after), prune=True)
        blocks = newest(self._transcript.top())
        older = blocks[0].first if blocks and blocks[0].first > 1 else None
        return partials.replace_all(self._session.id, blocks, older)


def newest(blocks: Sequence[Block]) -> Sequence[Block]:
    """The blocks of a fresh page."""
    return blocks[-SHOWN:]
