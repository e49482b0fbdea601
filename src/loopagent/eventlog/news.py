"""News: which sessions have changed, for those who watch many at once.

A listener keeps a set of sessions, not of changes: however much happens, it stays small.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import anyio

from loopagent.domain.ids import SessionId


class Listener:
    """One who listens. Used from the loop's thread alone."""

    def __init__(self) -> None:
        self._changed: set[SessionId] = set()
        self._bell = anyio.Event()

    def tell(self, session_id: SessionId) -> None:
        """A session has changed."""
        self._changed.add(session_id)
        self._bell.set()

    async def wait(self, seconds: float) -> None:
        """Return as soon as there is something to take, or after so long."""
        with anyio.move_on_after(seconds):
            await self._bell.wait()

    def take(self) -> set[SessionId]:
        """The sessions that have changed since the last time."""
        changed, self._changed = self._changed, set()
        if self._bell.is_set():  # else somebody waits for this very bell
            self._bell = anyio.Event()
        return changed


class News:
    """Tells all listeners."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def tell(self, session_id: SessionId) -> None:
        """A session has changed: its log, its row, or what is said of it elsewhere."""
        for listener in self._listeners:
            listener.tell(session_id)

    @contextlib.contextmanager
    def listening(self) -> Iterator[Listener]:
        """A listener for as long as the block lasts."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
